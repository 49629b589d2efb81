/** The phases of a training as lines: one per stage and phase, from what the status says. Pure. */
import type { LongPOTraining, ProgressReport, StageStatus } from '@longpo/api';
import { shortDigest } from './units.ts';

export interface PhaseLine {
  /** Stage and phase, or the phase alone. */
  label: string;
  state: 'running' | 'done' | 'failed';
  progress?: ProgressReport;
  /** What came of it, once it is done or failed. */
  note: string;
}

const order = ['generate', 'train', 'verify'] as const;
type Phase = (typeof order)[number];

const phaseOf: Record<StageStatus['state'], Phase | 'after' | 'before'> = {
  Pending: 'before',
  Generating: 'generate',
  Training: 'train',
  Verifying: 'verify',
  Succeeded: 'after',
  Failed: 'after',
};

/** Phases of a stage that have begun, given the one it is in. */
function begun(stage: StageStatus): Phase[] {
  if (stage.state === 'Failed') return order.slice(0, stage.checkpoint ? 3 : stage.data ? 2 : 1);
  const current = phaseOf[stage.state];
  if (current === 'before') return [];
  return order.slice(0, current === 'after' ? order.length : order.indexOf(current) + 1);
}

function noteOf(stage: StageStatus, phase: Phase): string {
  const { data, checkpoint } = stage;
  if (phase === 'generate') {
    if (data?.rows === undefined) return data ? `your own ${data.path}` : '';
    const dropped = Object.entries(data.dropped ?? {}).filter(([, count]) => count > 0);
    const drops =
      dropped.length > 0
        ? `; dropped ${dropped.map(([reason, count]) => `${count} ${reason}`).join(', ')}`
        : '';
    return `${data.rows} rows, ${data.turns} turns${drops}`;
  }
  if (!checkpoint) return '';
  if (phase === 'train')
    return `${checkpoint.step} steps, loss ${checkpoint.loss.toFixed(3)}, reward accuracy ${checkpoint.rewardAccuracy.toFixed(2)}`;
  return `digest ${shortDigest(checkpoint.digest)}`;
}

function stageLines(stage: StageStatus): PhaseLine[] {
  const phases = begun(stage);
  return phases.map((phase, i): PhaseLine => {
    const isLast = i === phases.length - 1;
    const label = `${stage.name} ${phase}`;
    if (isLast && stage.state === 'Failed')
      return { label, state: 'failed', note: stage.lastFailure?.code ?? '' };
    const done = !isLast || stage.state === 'Succeeded';
    if (done) return { label, state: 'done', note: noteOf(stage, phase) };
    const role = stage.progress?.role;
    return {
      label,
      state: 'running',
      note: '',
      ...(role === phase && stage.progress ? { progress: stage.progress } : {}),
    };
  });
}

type Status = NonNullable<LongPOTraining['status']>;

function fetchLine({ model, state, fetchProgress }: Status): PhaseLine {
  if (model)
    return {
      label: 'fetch',
      state: 'done',
      note: `${model.facts.architecture}, digest ${shortDigest(model.digest)}`,
    };
  if (state === 'Failed') return { label: 'fetch', state: 'failed', note: '' };
  return {
    label: 'fetch',
    state: 'running',
    note: '',
    ...(fetchProgress ? { progress: fetchProgress } : {}),
  };
}

function servingLines({ servingRef, url, state }: Status): PhaseLine[] {
  if (servingRef === undefined) return [];
  if (url) return [{ label: 'serve', state: 'done', note: 'ready' }];
  return [{ label: 'serve', state: state === 'Failed' ? 'failed' : 'running', note: '' }];
}

export function phaseLines({ status }: LongPOTraining): PhaseLine[] {
  if (status?.state === undefined) return [];
  return [fetchLine(status), ...(status.stages ?? []).flatMap(stageLines), ...servingLines(status)];
}
