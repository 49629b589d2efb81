import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { checkpointManifest, preferenceRow } from '../../api/src/index.ts';
import { findDocuments } from '../../examples/quickstart/prepare.ts';
import { until } from '../waiting.ts';
import { freePort, podProcesses, readState, root } from './longpo-run.ts';

/** Memory of the run in bytes: shared pages are split between those who share them. */
function memoryOf(pids: number[]): number {
  const kib = pids.map((pid) => {
    try {
      return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0; // it has ended meanwhile
    }
  });
  return kib.reduce((sum, value) => sum + value, 0) * 1024;
}

/** The real line on the real model, once: what `npm run quickstart` does for a user. */
it('goes from a manifest to an answer about a long document', async () => {
  const state = mkdtempSync(join(tmpdir(), 'longpo-quickstart-'));
  const volume = join(state, 'quickstart', 'volume');
  const port = await freePort();
  const { CI: _, ...env } = process.env;
  const started = Date.now();
  const child = spawn(
    process.execPath,
    [join(root, 'examples', 'quickstart', 'quickstart.ts'), '--state', state, '--port', String(port)],
    { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    process.stdout.write(chunk);
  });
  let peak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, memoryOf([child.pid ?? 0, ...podProcesses(volume, /./)]));
  }, 1000);
  try {
    await until('the server', () => /The server runs until Ctrl-C/.test(output), {
      timeoutMs: 18 * 60_000,
    });
    const seconds = (Date.now() - started) / 1000;

    const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none' });
    const chapter = readFileSync(join(findDocuments(), 'chapter_1.txt'), 'utf8').slice(0, 6000);
    const { choices, usage } = await client.chat.completions.create({
      model: 'quickstart',
      messages: [{ role: 'user', content: `${chapter}\n\nWho tells this story?` }],
      temperature: 0,
      max_tokens: 48,
    });
    process.stdout.write(
      `\nquickstart: ${seconds.toFixed(0)} s, peak memory ${(peak / 1e9).toFixed(2)} GB\n`,
    );
    process.stdout.write(`answer: ${choices[0]?.message.content}\n`);
    expect(choices[0]?.message.content?.length).toBeGreaterThan(10);
    expect(usage?.prompt_tokens).toBeGreaterThan(1000);

    const stages = readState(state, 'quickstart')?.status?.stages ?? [];
    expect(
      stages.map(({ name, state: reached, checkpoint }) => [name, reached, checkpoint?.verified]),
    ).toEqual([
      ['1k', 'Succeeded', true],
      ['2k', 'Succeeded', true],
    ]);
    for (const { name, checkpoint } of stages) {
      const folder = join(volume, 'quickstart', name);
      const manifest = checkpointManifest.parse(
        JSON.parse(readFileSync(join(folder, 'checkpoint', 'longpo-checkpoint.json'), 'utf8')),
      );
      expect(manifest.digest).toBe(checkpoint?.digest);
      const rows = readFileSync(join(folder, 'data', 'rows.jsonl'), 'utf8')
        .trim()
        .split('\n');
      expect(rows.map((line) => preferenceRow.parse(JSON.parse(line))).length).toBeGreaterThan(0);
    }
    child.kill('SIGINT');
    expect(await exited).toBe(0);
    expect(podProcesses(volume, /./)).toEqual([]);
  } finally {
    clearInterval(sampler);
    child.kill('SIGKILL');
    rmSync(state, { recursive: true, force: true });
  }
});
