/** The phases of a training as lines: one per stage and phase, from what the status says. Pure. */
import {
  conditionOf,
  conditionTypes,
  type LongPOTraining,
  type LongPOTrainingStatus,
  type ProgressReport,
  type StageStatus,
} from '@longpo/api';
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

const begunIn: Record<StageStatus['state'], number> = {
  Pending: 0,
  Generating: 1,
  Training: 2,
  Verifying: 3,
  Succeeded: 3,
  Failed: 0,
};

/** Phases of a stage that have begun; a failed one is told by what it left. Data of the user's own is not generated. */
function begun({ state, data, checkpoint }: StageStatus): Phase[] {
  const begunBeforeFailure = checkpoint ? 3 : data ? 2 : 1;
  const isOwnData = data !== undefined && data.rows === undefined;
  return order.slice(isOwnData ? 1 : 0, state === 'Failed' ? begunBeforeFailure : begunIn[state]);
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

export const failureText = ({ code, message }: NonNullable<StageStatus['lastFailure']>): string =>
  oneLine(`${code}: ${message}`);

/** Why the training as a whole failed: the only word on it where no pod has one. */
function conditionText(status: LongPOTrainingStatus): string {
  const succeeded = conditionOf(status, conditionTypes.succeeded);
  return succeeded?.status === 'False' ? oneLine(`${succeeded.reason}: ${succeeded.message}`) : '';
}

function resultOf({ data, checkpoint }: StageStatus, phase: Phase): string {
  if (phase === 'generate') {
    if (data === undefined) return '';
    const drops = Object.entries(data.dropped ?? {}).filter(([, count]) => count > 0);
    const dropped = drops.map(([reason, count]) => `${count} ${reason}`).join(', ');
    return `${data.rows} rows, ${data.turns} turns${dropped === '' ? '' : `; dropped ${dropped}`}`;
  }
  if (!checkpoint) return '';
  if (phase === 'verify') return `digest ${shortDigest(checkpoint.digest)}`;
  return `${checkpoint.step} steps, loss ${checkpoint.loss.toFixed(3)}, reward accuracy ${checkpoint.rewardAccuracy.toFixed(2)}`;
}

function stageLines(stage: StageStatus, status: LongPOTrainingStatus): PhaseLine[] {
  const phases = begun(stage);
  return phases.map((phase, i): PhaseLine => {
    const label = `${stage.name} ${phase}`;
    if (i < phases.length - 1 || stage.state === 'Succeeded')
      return { label, state: 'done', note: resultOf(stage, phase) };
    if (stage.state === 'Failed' && stage.lastFailure)
      return { label, state: 'failed', note: failureText(stage.lastFailure) };
    if (stage.state === 'Failed' || status.state === 'Failed')
      return { label, state: 'failed', note: conditionText(status) };
    const progress = stage.progress?.role === phase ? { progress: stage.progress } : {};
    return { label, state: 'running', note: '', ...progress };
  });
}

function fetchLine(status: LongPOTrainingStatus): PhaseLine {
  const { model, state, fetchProgress } = status;
  const label = 'fetch';
  if (model)
    return {
      label,
      state: 'done',
      note: `${model.facts.architecture}, digest ${shortDigest(model.digest)}`,
    };
  if (state === 'Failed') return { label, state: 'failed', note: conditionText(status) };
  return { label, state: 'running', note: '', ...(fetchProgress ? { progress: fetchProgress } : {}) };
}

function servingLines(status: LongPOTrainingStatus): PhaseLine[] {
  const { servingRef, url, state } = status;
  if (servingRef === undefined) return [];
  if (url) return [{ label: 'serve', state: 'done', note: 'ready' }];
  if (state === 'Failed') return [{ label: 'serve', state: 'failed', note: conditionText(status) }];
  return [{ label: 'serve', state: 'running', note: '' }];
}

export function phaseLines({ status }: LongPOTraining): PhaseLine[] {
  if (status?.state === undefined) return [];
  const stages = (status.stages ?? []).flatMap((stage) => stageLines(stage, status));
  const lines = [fetchLine(status), ...stages, ...servingLines(status)];
  // A plan that does not fit fails between the phases.
  if (status.state === 'Failed' && lines.every(({ state }) => state !== 'failed'))
    lines.push({ label: 'plan', state: 'failed', note: conditionText(status) });
  return lines;
}

/** Width of the longest label that this training can have. */
export const labelWidth = ({ spec }: LongPOTraining): number =>
  Math.max(...spec.stages.map(({ name }) => `${name} generate`.length));
