import { apiVersion } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { WatchEvent } from '../cluster.ts';
import { WorkQueue } from '../watch/work-queue.ts';
import { createMetrics, type Metrics } from './metrics.ts';

const makeEvent = (
  name: string,
  status: object,
  type: WatchEvent['type'] = 'MODIFIED',
  kind = 'LongPOTraining',
  uid = `uid-of-${name}`,
): WatchEvent => ({
  type,
  object: {
    ...{ apiVersion, kind, status },
    metadata: { name, namespace: 'research', uid },
  },
});

/** Each family's type, and its samples by name and labels. */
async function scrape(metrics: Metrics) {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of (await metrics.render()).split('\n')) {
    const [, family, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (family !== undefined && type !== undefined) types.set(family, type);
    const [, name, value] = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) samples.set(name, Number(value));
    else if (line !== '' && !line.startsWith('#')) throw new Error(`not in the exposition format: ${line}`);
  }
  const ours = (family: string) =>
    Object.fromEntries([...samples].filter(([name]) => name.split('{')[0] === `longpo_${family}`));
  return { types, samples, ours };
}

const isLeader = () => true;

describe('the metrics', () => {
  it('keep to the names that Prometheus expects', async () => {
    const metrics = createMetrics({ isLeader });
    metrics.watchOf('Pod');
    const { types } = await scrape(metrics);
    const own = [...types].filter(([name]) => name.startsWith('longpo_'));
    expect(own.length).toBeGreaterThan(20);
    const wrong = own.filter(
      ([name, type]) =>
        (type === 'counter') !== name.endsWith('_total') ||
        (type === 'histogram' && !name.endsWith('_seconds')) ||
        /_(milliseconds|ms|count|sum|bucket)$/.test(name),
    );
    expect(wrong).toEqual([]);
  });

  it('count calls to the API server by verb and status class', async () => {
    const metrics = createMetrics({ isLeader });
    metrics.onCall({ verb: 'GET', status: 200, durationMs: 5 });
    metrics.onCall({ verb: 'GET', status: 201, durationMs: 5 });
    metrics.onCall({ verb: 'PATCH', status: 409, durationMs: 5 });
    metrics.onCall({ verb: 'WATCH', status: 0, durationMs: 5 });
    expect((await scrape(metrics)).ours('api_requests_total')).toEqual({
      'longpo_api_requests_total{verb="GET",status="2xx"}': 2,
      'longpo_api_requests_total{verb="PATCH",status="4xx"}': 1,
      'longpo_api_requests_total{verb="WATCH",status="none"}': 1,
    });
  });

  it('show what a queue does and how it stands', async () => {
    const metrics = createMetrics({ isLeader });
    const observer = metrics.queueOf('LongPOTraining');
    const ends: (() => void)[] = [];
    let failures = 1;
    const queue = new WorkQueue({
      work: async () => {
        if (failures-- > 0) throw new Error('refused');
        await new Promise<void>((resolve) => ends.push(resolve));
        return undefined;
      },
      onError: () => undefined,
      concurrency: 1,
      baseDelayMs: 60_000,
      observer,
    });
    observer.shows(queue);
    for (const key of ['bad', 'running', 'waiting']) queue.add(key);
    await new Promise(setImmediate);
    const { samples } = await scrape(metrics);
    const value = (name: string, labels = '') =>
      samples.get(`longpo_${name}{${labels}kind="LongPOTraining"}`) ?? Number.NaN;
    expect({
      errors: samples.get('longpo_reconciles_total{kind="LongPOTraining",result="error"}'),
      retries: value('queue_retries_total'),
      depth: value('queue_depth'),
      taken: value('queue_latency_seconds_count'),
      isRunning: value('queue_longest_running_seconds') > 0,
    }).toEqual({ errors: 1, retries: 1, depth: 1, taken: 2, isRunning: true });
    ends[0]?.();
    await queue.stop();
  });

  it('show how the watches of a kind stand, added up over namespaces', async () => {
    const clock = { ms: 0 };
    const metrics = createMetrics({ isLeader, nowMs: () => clock.ms });
    const [one, other] = [metrics.watchOf('Pod'), metrics.watchOf('Pod')];
    for (const watch of [one, other]) {
      watch.onRelist?.();
      watch.onConnect?.();
      watch.onState?.('WATCHING');
      watch.onSize?.(3);
    }
    clock.ms = 30_000;
    one.onReceived?.();
    other.onState?.('BACKOFF');
    const { samples } = await scrape(metrics);
    expect(Object.fromEntries([...samples].filter(([name]) => name.startsWith('longpo_watch_')))).toEqual({
      'longpo_watch_cached_objects{kind="Pod"}': 6,
      'longpo_watch_last_event_age_seconds{kind="Pod"}': 30,
      'longpo_watch_connected{kind="Pod"}': 0,
      'longpo_watch_relists_total{kind="Pod"}': 2,
      'longpo_watch_connects_total{kind="Pod"}': 2,
    });
  });

  it('count trainings by state and servings by readiness, and forget what is gone', async () => {
    const { census, ...metrics } = createMetrics({ isLeader });
    census.onTraining(makeEvent('new', {}, 'ADDED'));
    census.onTraining(makeEvent('busy', { state: 'Training', gpus: 8 }));
    census.onTraining(makeEvent('done', { state: 'Succeeded', gpus: 8 }));
    census.onTraining(makeEvent('gone', { state: 'Failed' }));
    census.onTraining(makeEvent('gone', { state: 'Failed' }, 'DELETED'));
    const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
    census.onServing(makeEvent('demo', ready, 'ADDED', 'LongPOServing'));
    census.onServing(makeEvent('demo-one', {}, 'ADDED', 'LongPOServing'));
    const { ours } = await scrape({ census, ...metrics });
    const trainings = ours('trainings');
    expect({
      trainings: Object.entries(trainings).filter(([, count]) => count > 0),
      states: Object.keys(trainings).length,
      servings: ours('servings'),
      gpus: ours('training_gpus'),
    }).toEqual({
      trainings: [
        ['longpo_trainings{state="Pending"}', 1],
        ['longpo_trainings{state="Training"}', 1],
        ['longpo_trainings{state="Succeeded"}', 1],
      ],
      states: 9,
      servings: { 'longpo_servings{ready="true"}': 1, 'longpo_servings{ready="false"}': 1 },
      gpus: { 'longpo_training_gpus{namespace="research"}': 8 },
    });
  });

  it('count GPU-seconds and restarts that come while this replica leads, and never backwards', async () => {
    let leads = false;
    const { census, ...metrics } = createMetrics({ isLeader: () => leads });
    const tell = (gpuSeconds: number, restarts: number, uid = 'one', type?: WatchEvent['type']) => {
      const status = { gpuSeconds, stages: [{ name: 'a', restarts }] };
      census.onTraining(makeEvent('demo', status, type, 'LongPOTraining', uid));
    };
    tell(100, 1); // of the first list
    census.settle();
    tell(200, 2); // the leader, which is another, counts it
    leads = true;
    tell(250, 3);
    tell(250, 2); // a failure left the window
    tell(260, 3);
    tell(260, 3, 'one', 'DELETED');
    tell(7, 0, 'two', 'ADDED'); // made again under the same name
    const { ours } = await scrape({ census, ...metrics });
    expect({ ...ours('training_gpu_seconds_total'), ...ours('training_restarts_total') }).toEqual({
      'longpo_training_gpu_seconds_total{namespace="research"}': 67,
      'longpo_training_restarts_total{namespace="research"}': 2,
    });
  });

  it('show the progress of a fetch while it fetches, not again when it serves', async () => {
    const { census, ...metrics } = createMetrics({ isLeader });
    const fetchProgress = { completed: 3, total: 10 };
    census.onTraining(makeEvent('fetches', { state: 'Fetching', fetchProgress }));
    census.onTraining(makeEvent('serves', { state: 'Serving', fetchProgress }));
    expect((await scrape({ census, ...metrics })).ours('training_progress_completed')).toEqual({
      'longpo_training_progress_completed{namespace="research",training="fetches",stage=""}': 3,
    });
  });

  it('name trainings that run, no more than 200 of them, and only on the leader', async () => {
    let leads = true;
    const { census, ...metrics } = createMetrics({ isLeader: () => leads });
    const progress = { completed: 3, total: 10, tokensPerSecond: 1200 };
    const status = { state: 'Training', currentStage: '128k', stages: [{ name: '128k', progress }] };
    for (let i = 0; i < 250; i++) census.onTraining(makeEvent(`demo-${i}`, status));
    census.onTraining(makeEvent('a-done-one', { ...status, state: 'Succeeded' }));
    const shown = (await scrape({ census, ...metrics })).ours('training_tokens_per_second');
    leads = false;
    const { ours } = await scrape({ census, ...metrics });
    expect({
      first: Object.entries(shown)[0],
      shown: Object.keys(shown).length,
      byFollower: [ours('training_tokens_per_second'), ours('trainings'), ours('leader')],
    }).toEqual({
      first: ['longpo_training_tokens_per_second{namespace="research",training="demo-0",stage="128k"}', 1200],
      shown: 200,
      byFollower: [{}, {}, { longpo_leader: 0 }],
    });
  });
});
