/** What is printed at the end of a run, and by `longpo status`. Pure. */
import type { LongPOTraining } from '@longpo/api';
import { phaseLines } from './phases.ts';
import { table } from './table.ts';
import { shortDigest } from './units.ts';

export function renderStages({ spec, status }: LongPOTraining): string {
  const heads = ['stage', 'context', 'state', 'steps', 'loss', 'reward accuracy', 'checkpoint', 'digest'];
  const rows = (status?.stages ?? []).map(({ name, state, checkpoint }, i) => [
    name,
    String(spec.stages[i]?.contextLength ?? ''),
    state,
    checkpoint ? String(checkpoint.step) : '',
    checkpoint ? checkpoint.loss.toFixed(4) : '',
    checkpoint ? checkpoint.rewardAccuracy.toFixed(2) : '',
    checkpoint?.path ?? '',
    checkpoint ? shortDigest(checkpoint.digest) : '',
  ]);
  return table(heads, rows);
}

export function renderStatus(training: LongPOTraining): string {
  const { metadata, status } = training;
  const succeeded = status?.conditions?.find(({ type }) => type === 'Succeeded');
  const phases = phaseLines(training).map(({ label, state, note, progress }) => [
    label,
    state,
    progress ? `${progress.completed}/${progress.total} ${progress.unit}` : note,
  ]);
  return [
    `${metadata.name}: ${status?.state ?? 'Pending'}${succeeded ? ` (${succeeded.reason}: ${succeeded.message})` : ''}`,
    table(['phase', 'state', ''], phases),
    renderStages(training),
  ].join('\n\n');
}

/** Snippets that work as printed. */
export function renderServing(url: string, model: string): string {
  const question = 'What is the capital of France?';
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }], temperature: 0 });
  return [
    `${model} answers at ${url}`,
    '',
    `curl ${url}/chat/completions -H 'content-type: application/json' -d '${body}'`,
    '',
    `node --input-type=module -e "import OpenAI from 'openai';`,
    `  const client = new OpenAI({ baseURL: '${url}', apiKey: 'none' });`,
    `  const { choices } = await client.chat.completions.create({ model: '${model}', messages: [{ role: 'user', content: '${question}' }] });`,
    '  console.log(choices[0].message.content);"',
  ].join('\n');
}
