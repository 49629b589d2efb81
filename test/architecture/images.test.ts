import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { role, roleCommand } from '../../api/src/pod-contract/role.ts';
import { read, root, sourceFiles } from './sources.ts';

const images = ['controller', 'server', 'trainer'];

/** Instructions with their continuation lines joined, without comments. */
function instructions(image: string): string[] {
  const text = read(`docker/${image}.Dockerfile`).replaceAll(/^#.*\n/gm, '');
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');
}

/** Paths of the repository that an image copies, in its last stage or in all. */
function copied(image: string, stage: 'last' | 'all' = 'all'): string[] {
  const all = instructions(image);
  const first = stage === 'last' ? all.findLastIndex((line) => line.startsWith('FROM ')) : 0;
  return all
    .slice(first)
    .filter((line) => /^COPY (?!--from)/.test(line))
    .flatMap((line) => line.split(' ').slice(1, -1));
}

/** Command -> file of the repository that it leads to. */
function commands(image: string): Record<string, string> {
  const links = instructions(image)
    .join(' ')
    .matchAll(/ln -s \/app\/(\S+) \/usr\/local\/bin\/(\S+)/g);
  return Object.fromEntries([...links].map(([, file = '', name = '']) => [name, file]));
}

interface Package {
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
}
const packageOf = (folder: string) => JSON.parse(read(`${folder}/package.json`)) as Package;

/** The workspace and all that it imports. */
function closure(workspace: string): string[] {
  const own = Object.keys(packageOf(workspace).dependencies ?? {})
    .filter((name) => name.startsWith('@longpo/'))
    .map((name) => name.replace('@longpo/', ''));
  return [workspace, ...own.flatMap(closure)];
}

describe('the images', () => {
  it('have every command of the pod contract, and the operator, once', () => {
    const all = images.flatMap((image) => Object.keys(commands(image)));
    const contract = role.options.flatMap((name) => roleCommand(name));
    expect(all.toSorted()).toEqual(['longpo-controller', ...contract].toSorted());
  });

  it('link commands to files that git keeps executable', () => {
    const files = images.flatMap((image) => Object.values(commands(image)));
    const listed = execFileSync('git', ['ls-files', '--stage', '--', ...files], {
      cwd: root,
      encoding: 'utf8',
    });
    const modes = listed
      .trim()
      .split('\n')
      .map((line) => [line.split('\t')[1], line.slice(0, 6)]);
    expect(Object.fromEntries(modes)).toEqual(Object.fromEntries(files.map((file) => [file, '100755'])));
  });

  it('link the commands that the workspaces name', () => {
    const linked = ['controller', 'server'].flatMap((image) => Object.entries(commands(image)));
    for (const [command, file] of linked) {
      const workspace = file.split('/')[0] ?? '';
      expect(packageOf(workspace).bin?.[command]).toBe(`./${file.slice(workspace.length + 1)}`);
    }
  });

  it.each(images)('copy what is there: %s', (image) => {
    const files = sourceFiles(/.*/);
    const missing = copied(image).filter(
      (path) => !files.some((file) => file === path || file.startsWith(`${path}/`)),
    );
    expect(missing).toEqual([]);
  });

  it.each(['controller', 'server'])('hold and install every workspace that is imported: %s', (image) => {
    const entries = Object.values(commands(image)).map((file) => file.split('/')[0] ?? '');
    const needed = [...new Set(entries.flatMap(closure))].toSorted();
    const installed = [
      ...instructions(image)
        .join(' ')
        .matchAll(/--workspace (\S+)/g),
    ].map(([, name]) => name);
    expect({ copied: copied(image, 'last').toSorted(), installed: installed.toSorted() }).toEqual({
      copied: needed,
      installed: needed,
    });
  });

  it('install the packages that the trainer names, as the tests run them', () => {
    const install = instructions('trainer').find((line) => line.includes('pip install')) ?? '';
    const names = (/requirements\.txt (.*)$/.exec(install)?.[1] ?? '').trim().split(' ');
    const block = /\ndependencies = \[([^\]]*)\]/.exec(read('trainer/pyproject.toml'))?.[1] ?? '';
    const needed = [...block.matchAll(/"([\w-]+)/g)].map(([, name]) => name);
    // tensorboard is one of train.reportTo's.
    expect(names.toSorted()).toEqual([...needed, 'tensorboard'].toSorted());
    const pinned = read('trainer/requirements.txt');
    expect(names.filter((name) => !new RegExp(`^${name}==[\\d.]+$`, 'm').test(pinned))).toEqual([]);
  });

  it('start from bases with exact versions, of them the Node that everything is tested with', () => {
    const bases = images.flatMap((image) =>
      instructions(image).flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []),
    );
    expect(bases.filter((base) => !/:\d+\.\d+\.\d+-/.test(base))).toEqual([]);
    const { dependencies } = JSON.parse(read('package.json')) as Package;
    const nodes = bases.filter((base) => base.startsWith('node:'));
    expect(new Set(nodes)).toEqual(new Set([`node:${dependencies?.node}-bookworm-slim`]));
  });

  it.each(images)('run as nobody, without a shell: %s', (image) => {
    const [user, command = ''] = instructions(image).slice(-2);
    expect(user).toBe('USER 65532:65532');
    expect(Object.keys(commands(image))).toContain(/^CMD \["([\w-]+)"\]$/.exec(command)?.[1]);
  });
});
