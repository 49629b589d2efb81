import type { LongPOTrainingStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { createLiveView } from './live-view.ts';
import {
  checkpoint,
  data,
  model,
  recordedRun,
  report,
  stage,
  verified,
  withStatus,
} from './recorded-run.fixture.ts';
import { createScreen } from './screen.fixture.ts';

function clock() {
  let seconds = 0;
  return {
    now: () => new Date(seconds * 1000),
    tick: (by: number) => {
      seconds += by;
    },
  };
}

/** What a log shows of these states, ten seconds apart. */
function plain(states: LongPOTrainingStatus[]): string[] {
  const { now, tick } = clock();
  let text = '';
  const view = createLiveView(
    {
      write: (part: string) => {
        text += part;
      },
    },
    now,
  );
  for (const status of states) {
    view.update(withStatus(status));
    tick(10);
  }
  view.end();
  return text.trimEnd().split('\n');
}

function onScreen(columns: number) {
  const { now, tick } = clock();
  const screen = createScreen(columns);
  const view = createLiveView(screen, now);
  const show = (states: LongPOTrainingStatus[]) => {
    for (const status of states) {
      view.update(withStatus(status));
      tick(10);
    }
  };
  return { screen, view, show };
}

const failure = {
  pod: 'demo-1k-train-a1-0',
  exitCode: 70,
  code: 'NON_FINITE_LOSS',
  message: 'step 2:\nloss nan',
};
const succeededFalse = (reason: string, message: string) => [
  {
    type: 'Succeeded',
    status: 'False' as const,
    reason,
    message,
    observedGeneration: 1,
    lastTransitionTime: '2026-11-24T10:00:00Z',
  },
];

describe('the live lines in a log', () => {
  it('are the start, the quarters and the end of each phase', () => {
    expect(plain(recordedRun)).toMatchInlineSnapshot(`
      [
        "fetch        [----------------]   0 %  starting",
        "fetch        [######----------]  37 %  100/270 MB",
        "fetch        [################] 100 %  20s  LlamaForCausalLM, digest 39fc10e35d54",
        "1k generate  [----------------]   0 %  starting",
        "1k generate  [####------------]  25 %  2/8 items  ETA 30s  163 tok/s  dropped 1",
        "1k generate  [##############--]  87 %  7/8 items  ETA 4s  163 tok/s  dropped 1",
        "1k generate  [################] 100 %  50s  3 rows, 4 turns; dropped 2 no_question",
        "1k train     [----------------]   0 %  starting",
        "1k train     [###########-----]  66 %  reference  2/3 rows  210 tok/s",
        "1k train     [#####-----------]  33 %  1/3 steps  ETA 30s  48 tok/s  loss 3.612  margin 0.0082",
        "1k train     [###########-----]  66 %  2/3 steps  ETA 15s  48 tok/s  loss 3.400  margin 0.0082",
        "1k train     [################] 100 %  1m00s  3 steps, loss 3.375, reward accuracy 0.67",
        "1k verify    [----------------]   0 %  starting",
        "1k verify    [################] 100 %  10s  digest 00fc2b872a99",
        "serve        [----------------]   0 %  starting",
        "serve        [################] 100 %  10s  ready",
      ]
    `);
  });

  it('do not give the work of an earlier run a time', () => {
    const state: LongPOTrainingStatus = {
      state: 'Training',
      model,
      stages: [{ ...stage, state: 'Training', data }],
    };
    expect(plain([state])).toMatchInlineSnapshot(`
      [
        "fetch        [################] 100 %  by an earlier run  LlamaForCausalLM, digest 39fc10e35d54",
        "1k generate  [################] 100 %  by an earlier run  3 rows, 4 turns; dropped 2 no_question",
        "1k train     [----------------]   0 %  starting",
      ]
    `);
  });

  it('tell a restart, once, and not those of an earlier run', () => {
    const running: LongPOTrainingStatus = {
      state: 'Training',
      model,
      stages: [{ ...stage, state: 'Training', data }],
    };
    const restarted: LongPOTrainingStatus = {
      ...running,
      stages: [{ ...stage, state: 'Training', data, restarts: 1, lastFailure: failure }],
    };
    const told = (states: LongPOTrainingStatus[]) =>
      plain(states).filter((line) => line.includes('exit code'));
    expect(told([running, restarted, restarted])).toEqual([
      '1k: demo-1k-train-a1-0 ended with exit code 70 and is started again: NON_FINITE_LOSS: step 2: loss nan',
    ]);
    expect(told([restarted, restarted])).toEqual([]);
  });

  it('end a stage with the code and message of its failure in one line', () => {
    const running: LongPOTrainingStatus = {
      state: 'Training',
      model,
      stages: [{ ...stage, state: 'Training', data }],
    };
    const failed: LongPOTrainingStatus = {
      state: 'Failed',
      model,
      stages: [{ ...stage, state: 'Failed', data, lastFailure: failure }],
      conditions: succeededFalse('NonFiniteLoss', 'no'),
    };
    expect(plain([running, failed, failed]).at(-1)).toBe(
      '1k train     failed after 10s  NON_FINITE_LOSS: step 2: loss nan',
    );
  });

  it('name the reason of a failure that no pod had', () => {
    const conditions = succeededFalse('Unavailable', 'LongPOServing demo-1k-gen: exit code 2');
    const generating = { ...stage, state: 'Generating' as const };
    expect(plain([{ state: 'Failed', model, stages: [generating], conditions }]).at(-1)).toBe(
      '1k generate  failed  Unavailable: LongPOServing demo-1k-gen: exit code 2',
    );
    const pending = { ...stage, state: 'Pending' as const };
    expect(plain([{ state: 'Failed', model, stages: [pending], conditions }]).at(-1)).toBe(
      'plan         failed  Unavailable: LongPOServing demo-1k-gen: exit code 2',
    );
    expect(plain([{ state: 'Failed', stages: [pending], conditions }])).toEqual([
      'fetch        failed  Unavailable: LongPOServing demo-1k-gen: exit code 2',
    ]);
    const succeeded = { ...stage, state: 'Succeeded' as const, data, checkpoint: verified };
    expect(
      plain([{ state: 'Failed', model, stages: [succeeded], servingRef: { name: 'demo' }, conditions }]).at(
        -1,
      ),
    ).toBe('serve        failed  Unavailable: LongPOServing demo-1k-gen: exit code 2');
  });

  it('show a stage with its own data without a generate phase', () => {
    const own = { path: '/rows.jsonl' };
    const lines = plain([
      {
        state: 'Failed',
        model,
        stages: [{ ...stage, state: 'Failed', data: own }],
        conditions: succeededFalse('DataInvalid', 'row 3'),
      },
    ]);
    expect(lines.slice(1)).toEqual(['1k train     failed  DataInvalid: row 3']);
  });
});

describe('the live lines on a terminal', () => {
  it('are one row a phase, the running one redrawn in place', () => {
    const { screen, show } = onScreen(100);
    show(recordedRun.slice(0, 11));
    expect(screen.rows()).toMatchInlineSnapshot(`
      [
        "fetch        [################] 100 %  20s  LlamaForCausalLM, digest 39fc10e35d54",
        "1k generate  [################] 100 %  50s  3 rows, 4 turns; dropped 2 no_question",
        "1k train     [###########-----]  66 %  2/3 steps  ETA 15s  48 tok/s  loss 3.400  margin 0.0082",
      ]
    `);
    show(recordedRun.slice(11));
    expect(screen.rows()).toMatchInlineSnapshot(`
      [
        "fetch        [################] 100 %  20s  LlamaForCausalLM, digest 39fc10e35d54",
        "1k generate  [################] 100 %  50s  3 rows, 4 turns; dropped 2 no_question",
        "1k train     [################] 100 %  1m00s  3 steps, loss 3.375, reward accuracy 0.67",
        "1k verify    [################] 100 %  10s  digest 00fc2b872a99",
        "serve        [################] 100 %  10s  ready",
      ]
    `);
  });

  it('keep a running line to one row of a narrow terminal, and drop nothing above it', () => {
    const { screen, show } = onScreen(40);
    show(recordedRun.slice(2, 7));
    expect(screen.rows().at(-1)?.trimEnd()).toBe('1k generate  [##############--]  87 %');
    expect(screen.rows().filter((row) => row.startsWith('1k generate'))).toHaveLength(1);
  });

  it('let a note stand above the running line', () => {
    const { screen, view, show } = onScreen(100);
    show(recordedRun.slice(0, 2));
    view.note('something happened');
    show(recordedRun.slice(2, 3));
    expect(screen.rows()).toEqual([
      'something happened',
      'fetch        [################] 100 %  20s  LlamaForCausalLM, digest 39fc10e35d54',
      '1k generate  [----------------]   0 %  starting',
    ]);
  });

  it('leave the last state standing, and what is printed after the end below it', () => {
    const { screen, view, show } = onScreen(100);
    show(recordedRun.slice(0, 4));
    view.end();
    screen.write('Stopping.\n');
    expect(screen.rows().slice(-2)).toEqual([
      '1k generate  [##--------------]  12 %  1/8 items  163 tok/s  dropped 1',
      'Stopping.',
    ]);
  });

  it('take a phase back that runs again after its failure', () => {
    const { screen, show } = onScreen(100);
    const running: LongPOTrainingStatus = {
      state: 'Training',
      model,
      stages: [{ ...stage, state: 'Training', data }],
    };
    const failed: LongPOTrainingStatus = {
      state: 'Failed',
      model,
      stages: [{ ...stage, state: 'Failed', data, lastFailure: failure }],
    };
    const verifying: LongPOTrainingStatus = {
      state: 'Verifying',
      model,
      stages: [
        {
          ...stage,
          state: 'Verifying',
          data,
          checkpoint,
          lastFailure: failure,
          progress: report({ role: 'verify', completed: 0, total: 0, unit: 'bytes' }),
        },
      ],
    };
    show([running, failed, running, verifying]);
    expect(screen.rows().slice(-3)).toEqual([
      '1k train     failed after 10s  NON_FINITE_LOSS: step 2: loss nan',
      '1k train     [################] 100 %  10s  3 steps, loss 3.375, reward accuracy 0.67',
      '1k verify    [----------------]   0 %',
    ]);
  });
});
