/**
 * npm run bench trainer [recipe] [trl] [sequence] [checkpoint] [quick | TOKENS...]: the trainer's figures, both sides of
 * each comparison in one run. TOKENS are lengths of the prompt; `quick` shows on a short row that it works. What is
 * measured, and how: README.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../../cli/src/live/table.ts';
import { ensureLayeredPython } from '../../cli/src/setup/layered-python.ts';
import { median, spread } from '../median.ts';
import {
  alternate,
  type Measured,
  peakBytes,
  type Round,
  ratios,
  type SideOptions,
  wallSeconds,
} from './side.ts';

export interface TrainerBench {
  python: string;
  model: string;
  cacheRoot: string;
  pipArgs: string[];
  /** Names of comparisons, all where it has none; lengths of the prompt, or `quick`. */
  wanted: string[];
}

interface Row {
  prompt: number;
  answer: number;
}

interface Plan {
  /** 32 tokens of prompt for one of an answer. */
  rows: Row[];
  rounds: number;
}

/** Current on PyPI on 2026-11-24; about 300 MB with what it needs. */
const trlVersion = '1.16.0';

const comparisons = { recipe, trl, sequence, checkpoint };
const row = (prompt: number): Row => ({ prompt, answer: prompt / 32 });
const full: Plan = { rows: [row(512), row(1024), row(2048)], rounds: 3 };
const quick: Plan = { rows: [row(256)], rounds: 1 };

export async function benchTrainer(bench: TrainerBench): Promise<void> {
  const chosen = Object.entries(comparisons).filter(([name]) => bench.wanted.includes(name));
  const lengths = bench.wanted.map(Number).filter((length) => length > 0);
  const whole = lengths.length > 0 ? { ...full, rows: lengths.map(row) } : full;
  const plan = bench.wanted.includes('quick') ? quick : whole;
  for (const [, compare] of chosen.length > 0 ? chosen : Object.entries(comparisons)) {
    await compare(bench, plan);
    const load = loadavg().map((value) => value.toFixed(1));
    process.stdout.write(
      `${new Date().toISOString()}, load of the last 1, 5, 15 minutes ${load.join(', ')}\n`,
    );
  }
}

let port = 29_700;
function side(
  { python, model }: TrainerBench,
  name: string,
  script: string,
  { prompt, answer }: Row,
  ...more: string[]
) {
  const args = [model, String(prompt), String(answer), ...more];
  return { name, python, script: join(import.meta.dirname, script), args } satisfies SideOptions;
}
/** Each world of ranks meets at a port of its own. */
const nextPort = () => String(port++);

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
const seconds = (measured: Measured, value: (round: Round) => number = wallSeconds): string =>
  spread(measured.rounds.map(value), 1);

function print(title: string, heads: string[], rows: string[][]): void {
  process.stdout.write(`\n${title}\n${table(heads, rows)}\n`);
}

/** `own` against each other side: times are medians of the rounds, with their spread. */
function comparison({ prompt, answer }: Row, own: Measured, others: Measured[]): string[][] {
  return [own, ...others].map((measured) => [
    `${prompt} + ${answer}`,
    measured.name,
    seconds(measured),
    ((2 * (prompt + answer)) / median(measured.rounds.map(wallSeconds))).toFixed(1),
    spread(ratios(own, measured, wallSeconds), 2),
    spread(
      ratios(own, measured, ({ cpuSeconds }) => cpuSeconds),
      2,
    ),
    gib(peakBytes(measured)),
    (peakBytes(own) / peakBytes(measured)).toFixed(2),
  ]);
}

const heads = [
  'prompt + answer',
  'side',
  's/pair',
  'tokens/s',
  'own is x faster',
  'by CPU time',
  'peak GiB',
  'own / its',
];
const ofOne = (rounds: number) =>
  `f32, one process; s/pair as median (min to max) of ${rounds}, tokens/s of both sequences`;

async function recipe(bench: TrainerBench, { rows, rounds }: Plan): Promise<void> {
  const lines: string[][] = [];
  for (const size of rows) {
    const [own, step, released] = await withReference(
      await alternate(
        [
          side(bench, 'packed row', 'packed_side.py', size, 'longpo', nextPort()),
          side(bench, 'released recipe', 'recipe_side.py', size, nextPort()),
        ],
        rounds,
      ),
    );
    if (own && step && released) lines.push(...comparison(size, own, [step, released]));
  }
  print(`Packed row against the released recipe: ${ofOne(rounds)}`, heads, lines);
}

/** Our side also without the reference phase, which a second epoch or another run on the same rows does not repeat. */
function withReference([own, ...others]: Measured[]): Measured[] {
  if (own === undefined) return [];
  const rounds = own.rounds.map((round) => ({
    ...round,
    seconds: { step: round.seconds.step ?? Number.NaN },
  }));
  return [own, { ...own, name: `${own.name}, reference kept`, rounds }, ...others];
}

async function trl(bench: TrainerBench, { rows, rounds }: Plan): Promise<void> {
  const python = ensureLayeredPython({ ...bench, name: 'trl', requirements: [`trl==${trlVersion}`] });
  const lines: string[][] = [];
  const folder = mkdtempSync(join(tmpdir(), 'longpo-trl-'));
  for (const size of rows) {
    const measured = await alternate(
      [
        side(bench, 'longpo', 'packed_side.py', size, 'longpo', nextPort()),
        side(bench, 'dpo', 'packed_side.py', size, 'dpo', nextPort()),
        side({ ...bench, python }, `TRL ${trlVersion}`, 'trl_side.py', size, 'default', folder),
        side({ ...bench, python }, 'TRL, kindly', 'trl_side.py', size, 'kind', folder),
      ],
      rounds,
    );
    const [own, ...others] = measured;
    if (own) lines.push(...comparison(size, own, others));
  }
  rmSync(folder, { recursive: true, force: true });
  print(`Against TRL's DPOTrainer: ${ofOne(rounds)}`, heads, lines);
}

async function sequence(bench: TrainerBench, { rows, rounds }: Plan): Promise<void> {
  const size = rows.at(-1) ?? row(256);
  const measured = await alternate(
    [1, 2, 3].map((degree) =>
      side(bench, `SP ${degree}`, 'sequence_side.py', size, String(degree), nextPort()),
    ),
    rounds,
  );
  const [one] = measured;
  if (one === undefined) return;
  const lines = measured.map((other) => [
    other.name,
    String(other.facts.threads),
    seconds(other),
    spread(ratios(one, other, wallSeconds), 2),
    spread(
      ratios(one, other, ({ cpuSeconds }) => cpuSeconds),
      2,
    ),
    seconds(other, ({ exchangeSeconds }) => exchangeSeconds ?? Number.NaN),
    ((other.rounds[0]?.sentBytes ?? 0) / 1e6).toFixed(1),
  ]);
  print(
    `SP 1, 2, 3 on the same cores, a row of ${size.prompt} + 2 x ${size.answer} tokens: median (min to max) of ${rounds}`,
    ['ranks', 'threads/rank', 's/step', 'x SP 1', 'x its CPU time', 's in all-to-alls', 'MB sent by rank 0'],
    lines,
  );
}

async function checkpoint(bench: TrainerBench, { rows, rounds }: Plan): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'longpo-checkpoint-'));
  const size = rows[0] ?? row(256);
  const [measured] = await alternate(
    [side(bench, 'checkpoint', 'checkpoint_side.py', size, nextPort(), folder)],
    rounds,
  );
  rmSync(folder, { recursive: true, force: true });
  if (measured === undefined) return;
  const part = (name: string) => seconds(measured, (round) => round.seconds[name] ?? Number.NaN);
  print(
    `Step checkpoint of ${gib(Number(measured.facts.bytes))} GiB (weights and moments, f32, one process): seconds, median (min to max) of ${rounds}`,
    ['what', 'seconds'],
    [
      ['training stands still: checkpoint beside training', part('blocked')],
      ['training stands still: written at once', part('atOnce')],
      ['a step that nothing disturbs', part('plain')],
      ['the step beside the write', part('beside')],
      ['rest of the write after that step', part('rest')],
    ],
  );
}
