/**
 * npm run test:perturb: learns the writes and events of an undisturbed run, then runs every case, several at once.
 * `npm run test:perturb -- --cases kill-3,hide-...` runs some; a run that was stopped goes on with --state FILE, which
 * holds one line of JSON for each case that ended.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBed } from '../cluster/start-bed.ts';
import { standInImages, World } from '../operator/world.ts';
import { casesOf } from './cases.ts';
import { idOf, type Perturbation } from './perturbation.ts';
import { differences, type Outcome, runCase } from './run-case.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string' },
    state: { type: 'string', default: join(import.meta.dirname, '..', '..', '.longpo', 'perturb.jsonl') },
    parallel: { type: 'string', default: '3' },
  },
});

interface Line {
  id: string;
  happened: boolean;
  differences: string[];
}

const bed = await startBed({
  images: standInImages,
  extra: { 'kube-controller-manager': { env: { JOB_SYNC_PERIOD: '100ms' } } },
});
const world = new World(bed);
let failed = 0;
try {
  await world.install();
  failed = await runAll();
} finally {
  world.close();
  await bed.stop();
}
process.exitCode = failed === 0 ? 0 : 1;

async function runAll(): Promise<number> {
  const undisturbed = await runCase(world, 'undisturbed', { kind: 'none' });
  const wanted = values.cases?.split(',');
  const done = doneBefore();
  const cases = casesOf(undisturbed).filter(
    (perturbation) => !done.has(idOf(perturbation)) && (wanted?.includes(idOf(perturbation)) ?? true),
  );
  console.log(
    `undisturbed: ${undisturbed.writes} writes, ${undisturbed.events.length} events; ${cases.length} cases to run, ${done.size} done before`,
  );
  const started = Date.now();
  let count = 0;
  const queue = cases.values();
  const worker = async () => {
    for (const perturbation of queue) {
      const line = await judge(
        perturbation,
        `case-${String(cases.indexOf(perturbation)).padStart(4, '0')}`,
        undisturbed,
      );
      record(line);
      done.set(line.id, line);
      count++;
      const left = ((Date.now() - started) / count) * (cases.length - count);
      const verdict =
        line.differences.length > 0
          ? `FAILED ${line.differences.join('; ')}`
          : line.happened
            ? 'ok'
            : 'not reached';
      console.log(`${count}/${cases.length} ${line.id}: ${verdict} (${Math.round(left / 60_000)} min left)`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, worker));
  return summarise([...done.values()]);
}

async function judge(perturbation: Perturbation, namespace: string, undisturbed: Outcome): Promise<Line> {
  const id = idOf(perturbation);
  try {
    const { end, happened } = await runCase(world, namespace, perturbation);
    return { id, happened, differences: differences(end, undisturbed.end) };
  } catch (error) {
    return { id, happened: true, differences: [error instanceof Error ? error.message : String(error)] };
  }
}

function doneBefore(): Map<string, Line> {
  if (!existsSync(values.state)) return new Map();
  const lines = readFileSync(values.state, 'utf8').trim().split('\n').filter(Boolean);
  // A case that failed is run again.
  const passed = lines
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line.differences.length === 0);
  return new Map(passed.map((line) => [line.id, line]));
}

function record(line: Line): void {
  mkdirSync(dirname(values.state), { recursive: true });
  appendFileSync(values.state, `${JSON.stringify(line)}\n`);
}

function summarise(lines: Line[]): number {
  const bad = lines.filter((line) => line.differences.length > 0);
  const missed = lines.filter((line) => !line.happened);
  for (const line of bad) console.log(`FAILED ${line.id}: ${line.differences.join('; ')}`);
  const kinds = Map.groupBy(lines, ({ id }) => id.split('-')[0] ?? '');
  for (const [kind, ofKind] of kinds) console.log(`${kind}: ${ofKind.length} runs`);
  console.log(
    `${lines.length - bad.length - missed.length} passed, ${bad.length} failed, ${missed.length} whose point did not come by`,
  );
  return bad.length;
}
