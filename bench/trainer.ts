/** The trainer's packed row against two separate rows, on the real model. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { table } from '../cli/src/live/table.ts';
import { median, spread } from './median.ts';

const answerTokens = 96;
const rounds = 3;

export function benchTrainer({ python, model }: { python: string; model: string }): void {
  const script = join(import.meta.dirname, 'trainer_rows.py');
  const rows = [928, 1952].map((prompt) => {
    const output = execFileSync(
      python,
      [script, model, String(prompt), String(answerTokens), String(rounds)],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const { packed, separate } = JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as Record<
      'packed' | 'separate',
      number[]
    >;
    const tokens = prompt + answerTokens;
    const speed = (seconds: number[]) => spread(seconds.map((s) => (2 * tokens) / s));
    return [String(tokens), speed(packed), speed(separate), (median(separate) / median(packed)).toFixed(2)];
  });
  process.stdout.write(
    `\nTraining, one process, f32: tokens/s of the pair as median (min to max) of ${rounds}\n`,
  );
  process.stdout.write(`${table(['tokens/branch', 'packed row', 'two rows', 'packed is x faster'], rows)}\n`);
}
