/** What is printed at the end of a run, and by `longpo status`. Pure. */
import { conditionOf, conditionTypes, type LongPOTraining, type StageStatus } from '@longpo/api';
import { type PhaseLine, phaseLines } from './phases.ts';
import { table } from './table.ts';
import { shortDigest } from './units.ts';

export { renderServing } from './snippets.ts';

function checkpointCells({ checkpoint }: StageStatus): string[] {
  if (checkpoint === undefined) return [];
  const { step, loss, rewardAccuracy, path, digest } = checkpoint;
  return [String(step), loss.toFixed(4), rewardAccuracy.toFixed(2), path, shortDigest(digest)];
}

export function renderStages({ spec, status }: LongPOTraining): string {
  const heads = ['stage', 'context', 'state', 'steps', 'loss', 'reward accuracy', 'checkpoint', 'digest'];
  const rows = (status?.stages ?? []).map((stage) => {
    const context = spec.stages.find(({ name }) => name === stage.name)?.contextLength;
    return [stage.name, context?.toLocaleString('en-US') ?? '', stage.state, ...checkpointCells(stage)];
  });
  return table(heads, rows);
}

function phaseCells({ label, state, note, progress }: PhaseLine): string[] {
  const { phase, role, completed, total, unit } = progress ?? {};
  const part = phase === role ? '' : `${phase} `;
  return [label, state, progress ? `${part}${completed}/${total} ${unit}` : note];
}

export function renderStatus(training: LongPOTraining): string {
  const { metadata, status } = training;
  const succeeded = conditionOf(status, conditionTypes.succeeded);
  const why = succeeded ? ` (${succeeded.reason}: ${succeeded.message})` : '';
  return [
    `${metadata.name}: ${status?.state ?? 'Pending'}${why}`,
    table(['phase', 'state', ''], phaseLines(training).map(phaseCells)),
    renderStages(training),
  ].join('\n\n');
}
