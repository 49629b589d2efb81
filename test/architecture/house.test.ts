import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { read, root, sourceFiles } from './sources.ts';

const code = () => sourceFiles(/\.(ts|py)$/);
const lines = (path: string) => read(path).split('\n').length - 1;

describe('the house', () => {
  it('has no file of code above 400 lines', () => {
    expect(code().filter((path) => lines(path) > 400)).toEqual([]);
  });

  it('has a median file of about 100 lines', () => {
    const sizes = code()
      .map(lines)
      .toSorted((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(130);
  });

  it('has no room for leftovers', () => {
    expect(
      sourceFiles(/.*/).filter((path) => /(^|\/)(utils?|helpers?|common|managers?)(\/|\.|-)/.test(path)),
    ).toEqual([]);
  });

  it('has no silenced types, no module mocks and no lonely or skipped tests', () => {
    const pattern = /\bvi\.mock\(|\bas any\b|@ts-ignore|@ts-expect-error|\b(it|test|describe)\.(skip|only)\(/;
    const self = 'test/architecture/house.test.ts';
    expect(sourceFiles(/\.ts$/).filter((path) => path !== self && pattern.test(read(path)))).toEqual([]);
    const python = /pytest\.mark\.skip|pytest\.skip\(|except Exception: *pass/;
    expect(sourceFiles(/\.py$/).filter((path) => python.test(read(path)))).toEqual([]);
  });

  it('has generated files that are up to date', () => {
    execFileSync(process.execPath, ['api/scripts/generate.ts', '--check'], { cwd: root });
  });

  it('opens every workspace with a header line', () => {
    const indexes = sourceFiles(/^[a-z]+\/src\/index\.ts$/);
    expect(indexes.length).toBeGreaterThanOrEqual(5);
    expect(indexes.filter((path) => !read(path).startsWith('/**'))).toEqual([]);
  });

  it('has decisions of at most 50 lines', () => {
    expect(sourceFiles(/^docs\/adr\/.*\.md$/).filter((path) => lines(path) > 50)).toEqual([]);
  });

  it('has an annotated tree in the README that names folders that exist, and all of the top ones', () => {
    const tree = /```\n([\s\S]*?)```/.exec(read('README.md').split('## The house')[1] ?? '')?.[1] ?? '';
    const named = [...tree.matchAll(/^([\w./-]+\/)\s{2,}\S/gm)].map((match) => match[1] ?? '');
    const files = sourceFiles(/.*/);
    const top = [...new Set(files.flatMap((path) => (path.includes('/') ? [`${path.split('/')[0]}/`] : [])))];
    const known = (folder: string) => files.some((path) => path.startsWith(folder));
    expect(named.filter((folder) => !known(folder))).toEqual([]);
    expect(top.filter((folder) => !folder.startsWith('.') && !named.includes(folder)).toSorted()).toEqual([]);
  });
});
