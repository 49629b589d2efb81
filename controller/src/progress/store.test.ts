import type { ProgressReport } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { recordRef as ref, TrainingRecord } from '../fixture/training-record.ts';
import { createLogger } from '../logger.ts';
import { ProgressStore } from './store.ts';

const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 12, 0, second));
const later = at(50).toISOString();

const makeReport = (stage: string, completed: number, second: number, attempt = 1): ProgressReport => ({
  role: stage === '' ? 'fetch' : 'train',
  stage,
  attempt,
  phase: stage === '' ? 'fetch' : 'train',
  completed,
  total: 4,
  unit: stage === '' ? 'bytes' : 'steps',
  reportedAt: at(second).toISOString(),
});

const makeProgress = (report: ProgressReport, advancedSecond = 50) => ({
  ...report,
  percent: report.completed * 25,
  advancedAt: at(advancedSecond).toISOString(),
});

function makeRecord(): TrainingRecord {
  return new TrainingRecord({ stages: [{ name: 'one' }, { name: 'two' }] });
}

/** A replica's store, whose clock stands at second 50 unless it is moved. */
function makeStore(record: TrainingRecord, periodMs = 60_000) {
  const errors: string[] = [];
  const clock = { now: at(50) };
  const store = new ProgressStore({
    cluster: record.cluster(),
    logger: createLogger((line) => errors.push(JSON.parse(line).msg)),
    periodMs,
    now: () => clock.now,
  });
  return { store, errors, clock };
}

describe('the progress store', () => {
  it('writes many reports of a period as one status, under its own field manager', async () => {
    const record = makeRecord();
    const { store } = makeStore(record, 10);
    const { promise, resolve } = Promise.withResolvers<void>();
    record.beforeWrite = async () => resolve();
    for (let step = 1; step <= 3; step++) store.record(ref, makeReport('one', step, step));
    store.record(ref, makeReport('', 4, 0));
    await promise;
    await store.flush();
    expect(record.writes).toEqual([
      {
        manager: 'longpo-progress',
        status: {
          fetchProgress: makeProgress(makeReport('', 4, 0)),
          stages: [{ name: 'one', progress: makeProgress(makeReport('one', 3, 3)) }],
        },
      },
    ]);
  });

  it('keeps what the status holds of finished stages, also after a restart', async () => {
    const record = makeRecord();
    const before = makeStore(record);
    before.store.record(ref, makeReport('', 4, 0));
    before.store.record(ref, makeReport('one', 4, 1));
    await before.store.flush();
    record.catchUp();
    const after = makeStore(record);
    after.store.record(ref, makeReport('two', 1, 2));
    await after.store.flush();
    expect(record.status).toEqual({
      fetchProgress: makeProgress(makeReport('', 4, 0)),
      stages: [
        { name: 'one', progress: makeProgress(makeReport('one', 4, 1)) },
        { name: 'two', progress: makeProgress(makeReport('two', 1, 2)) },
      ],
    });
  });

  it('says since when the numbers stand still, by its own clock', async () => {
    const record = makeRecord();
    const { store, clock } = makeStore(record);
    const advancedAt: unknown[] = [];
    const report = async (completed: number, second: number) => {
      clock.now = at(second);
      store.record(ref, makeReport('one', completed, second));
      await store.flush();
      record.catchUp();
      advancedAt.push(record.status.stages?.[0]?.progress?.advancedAt);
    };
    await report(1, 51);
    await report(1, 52); // reported again, and not moved
    await report(2, 53);
    expect(advancedAt).toEqual([at(51), at(51), at(53)].map((date) => date.toISOString()));
  });

  it('counts numbers from when they came, not from when they are written', async () => {
    const record = makeRecord();
    const { store, clock } = makeStore(record);
    store.record(ref, makeReport('one', 1, 1));
    clock.now = at(58);
    store.record(ref, makeReport('one', 1, 9));
    await store.flush();
    expect(record.status.stages?.[0]?.progress).toEqual(makeProgress(makeReport('one', 1, 9), 50));
  });

  it('lets no earlier attempt and no late report overwrite a newer one, held or written', async () => {
    const record = makeRecord();
    const { store } = makeStore(record);
    store.record(ref, makeReport('one', 1, 10, 2));
    expect([
      store.record(ref, makeReport('one', 3, 20, 1)),
      store.record(ref, makeReport('one', 3, 9, 2)),
    ]).toEqual([false, false]);
    await store.flush();
    store.record(ref, makeReport('one', 3, 20, 1));
    store.record(ref, makeReport('one', 3, 9, 2));
    await store.flush();
    expect(record.writes.map(({ status }) => status)).toEqual([
      { stages: [{ name: 'one', progress: makeProgress(makeReport('one', 1, 10, 2)) }] },
    ]);
  });

  it('takes the first attempt of a role after a later one of the role before it', async () => {
    const record = makeRecord();
    const { store } = makeStore(record);
    const generated: ProgressReport = { ...makeReport('one', 4, 1, 3), role: 'generate', phase: 'generate' };
    store.record(ref, generated);
    await store.flush();
    record.catchUp();
    store.record(ref, makeReport('one', 1, 2, 1));
    store.record(ref, generated); // late
    await store.flush();
    expect(record.status.stages?.[0]?.progress).toEqual(makeProgress(makeReport('one', 1, 2, 1)));
  });

  it('takes no report for younger than the moment at which it came', async () => {
    const record = makeRecord();
    const { store } = makeStore(record);
    store.record(ref, { ...makeReport('one', 1, 0), reportedAt: '2099-01-01T00:00:00Z' });
    await store.flush();
    expect(record.status.stages?.[0]?.progress?.reportedAt).toBe(later);
  });

  it('waits for a stage that the reconciler has not written yet, but not for ever', async () => {
    const record = new TrainingRecord({});
    const { store } = makeStore(record);
    store.record(ref, makeReport('one', 1, 1));
    await store.flush();
    record.setStatus({ stages: [{ name: 'one' }] });
    record.catchUp();
    await store.flush();
    store.record(ref, makeReport('three', 1, 1));
    for (let write = 0; write < 3; write++) await store.flush();
    record.setStatus({ stages: [{ name: 'three' }] });
    record.catchUp();
    await store.flush();
    expect(record.writes.map(({ status }) => status)).toEqual([
      { stages: [{ name: 'one', progress: makeProgress(makeReport('one', 1, 1)) }] },
    ]);
  });

  it('writes nothing of a training that is forgotten or gone', async () => {
    const record = makeRecord();
    const { store, errors } = makeStore(record);
    store.record(ref, makeReport('one', 1, 1));
    store.forget(ref);
    await store.flush();
    record.exists = false;
    store.record(ref, makeReport('one', 1, 1));
    await store.flush();
    expect({ writes: record.writes, errors }).toEqual({ writes: [], errors: [] });
  });

  it('outlives a refused write and writes what it holds the next time', async () => {
    const record = makeRecord();
    const { store, errors } = makeStore(record);
    record.failure = new Error('refused');
    store.record(ref, makeReport('one', 1, 1));
    await store.flush();
    expect({ writes: record.writes, errors }).toEqual({ writes: [], errors: ['progress not written'] });
    await store.flush();
    expect(record.status.stages?.[0]?.progress).toEqual(makeProgress(makeReport('one', 1, 1)));
  });
});

describe('two progress stores of one training', () => {
  it('end with the newest report, in whatever order they write', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const record = makeRecord();
      const replicas = [makeStore(record), makeStore(record)];
      replicas[0]?.store.record(ref, makeReport('one', 1, 1));
      replicas[1]?.store.record(ref, makeReport('one', 2, 2));
      for (const next of order) await replicas[next]?.store.flush(); // from copies that never catch up
      expect(record.status.stages).toEqual([
        { name: 'one', progress: makeProgress(makeReport('one', 2, 2)) },
        { name: 'two' },
      ]);
    }
  });

  it('keep the stages that the other has written, also when both write at once', async () => {
    const record = makeRecord();
    const [left, right] = [makeStore(record), makeStore(record)];
    left.store.record(ref, makeReport('one', 4, 1));
    right.store.record(ref, makeReport('two', 1, 2));
    right.store.record(ref, makeReport('', 4, 0));
    await Promise.all([left.store.flush(), right.store.flush()]);
    expect({ status: record.status, errors: [...left.errors, ...right.errors] }).toEqual({
      status: {
        fetchProgress: makeProgress(makeReport('', 4, 0)),
        stages: [
          { name: 'one', progress: makeProgress(makeReport('one', 4, 1)) },
          { name: 'two', progress: makeProgress(makeReport('two', 1, 2)) },
        ],
      },
      errors: [],
    });
  });

  it('write a repeated report once', async () => {
    const record = makeRecord();
    const [left, right] = [makeStore(record), makeStore(record)];
    for (const { store } of [left, right]) store.record(ref, makeReport('one', 1, 1));
    await left.store.flush();
    await right.store.flush();
    expect(record.writes.length).toBe(1);
  });

  it('give up on a status that changes without end, and keep the report', async () => {
    const record = makeRecord();
    const { store, errors } = makeStore(record);
    record.beforeWrite = async () => record.setStatus(record.status);
    store.record(ref, makeReport('one', 1, 1));
    await store.flush();
    expect({ writes: record.writes, errors }).toEqual({ writes: [], errors: ['progress not written'] });
    record.beforeWrite = async () => undefined;
    await store.flush();
    expect(record.writes.length).toBe(1);
  });
});
