/**
 * npm run bench operator: what the operator costs, on a real API server. It prints and judges nothing. Read README.md
 * for what each figure is.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { table } from '../../cli/src/live/table.ts';
import type { OperatorProcess } from '../../test/operator/operator-process.ts';
import { isOfLease } from './api-call.ts';
import { type Failover, measureFailover } from './failover.ts';
import { measureBurst, measureOneByOne } from './latency.ts';
import { type Life, measureLife } from './life.ts';
import * as report from './report.ts';
import { measureRest } from './rest.ts';
import { spent } from './sample.ts';
import { WatchCount } from './watch-count.ts';
import { sample, Yard } from './yard.ts';

interface Sizes {
  lives: number;
  oneByOne: number;
  burst: number;
  restSeconds: number;
  /** Trainings at rest at last. */
  most: number;
  failovers: number;
}

const whole: Sizes = { lives: 3, oneByOne: 100, burst: 200, restSeconds: 60, most: 1000, failovers: 3 };
/** To see that it works. */
const quick: Sizes = { lives: 1, oneByOne: 5, burst: 20, restSeconds: 10, most: 40, failovers: 1 };
const burstLimitMs = 240_000;

const print = (title: string, text: string) => {
  const load = loadavg().map((value) => value.toFixed(1));
  process.stdout.write(`\n${title} (load average now ${load.join(' ')})\n${text}\n`);
};

export async function benchOperator({ isQuick }: { isQuick: boolean }): Promise<void> {
  const yard = await Yard.open();
  try {
    await measure(yard, isQuick ? quick : whole);
  } finally {
    await yard.close();
  }
  process.stdout.write(`\n${report.publishedText()}\n`);
}

async function measure(yard: Yard, sizes: Sizes): Promise<void> {
  print(
    'The operator',
    `${availableParallelism()} cores of ${cpus()[0]?.model}, the control plane's as well`,
  );
  const replica = yard.startReplica();
  await replica.logged('leads');
  await yard.untilQuiet(5000, 60_000);
  const memory = [report.memoryRow('0', (await sample(replica)).rssBytes)];
  print('A life of two stages by stand-ins', report.lifeText(await lives(yard, replica, sizes.lives)));
  await delays(yard, replica, sizes);
  const rest = await measureRest(yard, replica, sizes.restSeconds);
  print('At rest', report.restText(rest, sizes.burst, sizes.restSeconds));
  memory.push(report.memoryRow(String(sizes.burst), (await sample(replica)).rssBytes));
  memory.push(await fill(yard, replica, sizes));
  print('Memory of the leader', table(['trainings at rest', 'RSS'], memory));
  print(`Leader killed, ${sizes.most} trainings at rest`, await failovers(yard, replica, sizes.failovers));
}

/** After one that is not counted: it makes the volume. */
async function lives(yard: Yard, replica: OperatorProcess, count: number): Promise<Life[]> {
  const watches = await WatchCount.open(yard.kubeconfig, yard.audit.ofOperator());
  await yard.makeNamespace('life');
  const all: Life[] = [];
  for (let n = 0; n <= count; n++) all.push(await measureLife(yard, replica, watches, ['life', `life-${n}`]));
  watches.close();
  await yard.clear('life');
  return all.slice(1);
}

async function delays(yard: Yard, replica: OperatorProcess, { oneByOne, burst }: Sizes): Promise<void> {
  await yard.makeNamespace('single');
  const single = await measureOneByOne(yard, 'single', oneByOne);
  await yard.clear('single');
  await yard.untilQuiet(3000, 60_000);
  await yard.makeNamespace('many');
  const before = await sample(replica);
  const mark = yard.audit.mark;
  const many = await measureBurst(yard, 'many', { prefix: 'burst', count: burst, limitMs: burstLimitMs });
  await yard.untilQuiet(3000, 120_000);
  const { cpuMs, reconciles } = spent(before, await sample(replica));
  const rows = [report.delayRow('one at a time', single), report.delayRow(`${burst} at once`, many.delays)];
  const calls = yard.audit.ofOperator(mark).filter((call) => !isOfLease(call)).length;
  const cost = `${calls} API calls, ${reconciles} reconciles, ${(cpuMs / reconciles).toFixed(1)} CPU-ms each`;
  print(
    'From training to first Job, by the API server',
    `${table(report.delayHeads, rows)}\nThe burst: ${report.burstText(many)}; ${cost}`,
  );
}

/** More of the same, until there are as many as wanted. */
async function fill(yard: Yard, replica: OperatorProcess, { burst, most }: Sizes): Promise<string[]> {
  const options = { prefix: 'more', count: most - burst, limitMs: burstLimitMs };
  const more = await measureBurst(yard, 'many', options);
  const isQuiet = await yard.untilQuiet(5000, 120_000);
  print('The rest of them at once', report.burstText(more));
  const doubt =
    more.delays.length === options.count && isQuiet ? '' : ` (only ${more.delays.length} came so far)`;
  return report.memoryRow(`${most}${doubt}`, (await sample(replica)).rssBytes);
}

async function failovers(yard: Yard, first: OperatorProcess, count: number): Promise<string> {
  const all: Failover[] = [];
  let leader = first;
  for (let n = 0; n < count; n++) {
    const { follower, ...times } = await measureFailover(yard, leader, ['many', `failover-${n}`]);
    all.push(times);
    leader = follower;
  }
  return report.failoverText(all);
}
