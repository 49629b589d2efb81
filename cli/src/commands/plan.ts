/** longpo plan FILE: memory, tokens and time of every stage, before anything runs. */
import { cpus, totalmem } from 'node:os';
import { isAbsolute } from 'node:path';
import { exitCodes } from '@longpo/api';
import { UserError } from '../errors.ts';
import { readModelFacts } from '../plan/model-facts.ts';
import { planTraining } from '../plan/plan.ts';
import { renderPlan } from '../plan/render-plan.ts';
import { readManifest } from '../run/manifest.ts';

export interface PlanOptions {
  device: 'cpu' | 'cuda';
  /** GiB of one device; the machine's memory when unset. */
  memory?: number;
  /** Folder of the model when the manifest names one on the hub. */
  model?: string;
}

const gib = 2 ** 30;

export function plan(file: string, options: PlanOptions): number {
  const training = readManifest(file);
  const folder = options.model ?? training.spec.model.uri;
  if (!isAbsolute(folder))
    throw new UserError(
      'MODEL_NOT_LOCAL',
      `${folder}: the plan needs config.json of the model; give a local copy with --model FOLDER`,
    );
  const memoryBytes = options.memory === undefined ? totalmem() : options.memory * gib;
  const result = planTraining(training.spec, readModelFacts(folder), {
    device: options.device,
    cores: cpus().length,
    memoryBytes,
  });
  process.stdout.write(`${renderPlan(result)}\n`);
  return result.problems.length === 0 ? exitCodes.done : exitCodes.config;
}
