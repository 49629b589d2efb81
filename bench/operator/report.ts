/** The measurements as text. Pure. */
import { table } from '../../cli/src/live/table.ts';
import { median } from '../median.ts';
import { type ApiCall, countCalls, isWrite } from './api-call.ts';
import type { Failover } from './failover.ts';
import type { Burst } from './latency.ts';
import type { Life } from './life.ts';
import { duration, percentile } from './percentile.ts';
import { published } from './published.ts';
import type { Rest } from './rest.ts';

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

export const delayRow = (what: string, delays: readonly number[]): string[] => [
  ...[what, String(delays.length)],
  ...[50, 99, 100].map((percent) => duration(percentile(delays, percent))),
];

export const delayHeads = ['trainings', 'n', 'p50', 'p99', 'max'];

export function lifeText(lives: readonly Life[]): string {
  const rows = lives.map(({ calls, events, reconciles, cpuMs, seconds }) => [
    ...[seconds.toFixed(1), String(calls.length), String(calls.filter(isWrite).length)],
    String(calls.filter(isRefused).length),
    ...[String(sum(events)), String(reconciles), (cpuMs / reconciles).toFixed(1)],
  ]);
  const heads = [
    'seconds',
    'API calls',
    'writes',
    'refused',
    'watch events',
    'reconciles',
    'CPU-ms/reconcile',
  ];
  const calls = countsTable(
    'API call',
    lives.map((life) => countCalls(life.calls)),
  );
  const refused = countsTable(
    'of them refused',
    lives.map((life) => countCalls(life.calls.filter(isRefused).map(withStatus))),
  );
  const events = countsTable(
    'watch events of',
    lives.map((life) => life.events),
  );
  return [table(heads, rows), calls, refused, events].join('\n\n');
}

const isRefused = ({ status }: ApiCall): boolean => status >= 400;
const withStatus = (call: ApiCall): ApiCall => ({ ...call, verb: `${call.status} ${call.verb}` });

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

/** One row for each name that any life has, the most frequent first. */
function countsTable(what: string, lives: readonly ReadonlyMap<string, number>[]): string {
  const names = [...new Set(lives.flatMap((counts) => [...counts.keys()]))];
  const rows = names.map((name) => ({ name, each: lives.map((counts) => counts.get(name) ?? 0) }));
  const sorted = rows.toSorted((a, b) => median(b.each) - median(a.each));
  return table(
    [what, 'median of a life', 'each life'],
    sorted.map(({ name, each }) => [name, String(median(each)), each.join(', ')]),
  );
}

export const burstText = ({ delays, creationMs, wholeMs }: Burst): string =>
  `${delays.length} trainings made within ${duration(creationMs)}, the last Job ${duration(wholeMs)} after the first training`;

export function restText(rest: Rest, trainings: number, seconds: number): string {
  const { isAtRest, writes, leaseWrites, reads, reconciles, cpuMs } = rest;
  const doubt = isAtRest ? '' : ' (it never came to rest before)';
  const which = writes.slice(0, 10).map((write) => `\n    ${write}`);
  return (
    `${trainings} trainings at rest for ${seconds} s${doubt}: ${writes.length} writes beside ${leaseWrites} of the lease, ` +
    `${reads} reads, ${reconciles} reconciles, ${cpuMs.toFixed(0)} ms of CPU${which.join('')}`
  );
}

export const memoryRow = (what: string, rssBytes: number): string[] => [what, megabytes(rssBytes)];

export function failoverText(failovers: readonly Failover[]): string {
  const rows = failovers.map(({ leaseMs, writeMs }) => [duration(leaseMs), duration(writeMs)]);
  return table(['lease taken after', 'first write of a reconcile after'], rows);
}

export const publishedText = (): string =>
  `Nobody else's operator is run here. What others published, on other machines and of other work:\n` +
  table(['what', 'figure', 'source'], published);
