/** The one config object of each role, as it stands in LONGPO_CONFIG. Paths are absolute or below the volume root. */
import * as z from 'zod';
import { generationSettings } from '../generation.ts';
import { trainHyperparameters } from '../hyperparameters.ts';

const path = z.string().min(1);
const origin = {
  training: z.string().min(1).describe('metadata.name of the LongPOTraining.'),
  stage: z.string().min(1),
  attempt: z.int().positive(),
};

export const quantization = z
  .enum(['int4', 'int8', 'none'])
  .describe(
    'Weights on load: int4 and int8 are quantised once and cached, none keeps the file as it is (f32 compute).',
  );
export type Quantization = z.infer<typeof quantization>;

export const fetchConfig = z.strictObject({
  training: origin.training,
  uri: z.string().min(1).describe('hf://org/name[@revision], or a folder.'),
  destination: path.describe('Where a downloaded model goes; a folder is used where it is.'),
});

export const generateConfig = z.strictObject({
  ...origin,
  servedModelName: z.string().min(1).describe('The model field of the requests.'),
  tokenizer: path.describe('Model folder with tokenizer.json and tokenizer_config.json.'),
  documents: path.describe('Folder with .txt, .md and .jsonl files.'),
  contextLength: z.int().positive(),
  directory: path.describe('<training>/<stage>/data: rows.jsonl is published here, work files beside it.'),
  seed: z.int(),
  ...generationSettings.shape,
});

export const trainConfig = z.strictObject({
  ...origin,
  model: path.describe('Folder of the weights that the stage starts from; it is the reference model too.'),
  modelDigest: z.string(),
  rows: path.describe('Preference file.'),
  evalRows: path.nullable().describe('Preference file of held-out rows; null: evalFraction of the rows.'),
  directory: path.describe('<training>/<stage>: reference/, steps/, checkpoint/ and metrics.jsonl go here.'),
  contextLength: z.int().positive(),
  ropeTheta: z.number().positive().nullable().describe('Of the policy; null keeps the one of the model.'),
  sequenceParallel: z.int().positive(),
  dataParallel: z.int().positive(),
  pods: z.int().positive(),
  processesPerPod: z.int().positive(),
  seed: z.int(),
  ...trainHyperparameters.shape,
});

export const verifyConfig = z.strictObject({
  ...origin,
  checkpoint: path,
  digest: z.string().describe('The digest that the train role reported.'),
  remove: z
    .array(path)
    .max(64)
    .default([])
    .describe('Folders of earlier stages that nothing needs once the digest is right; below <training>/.'),
});

export const serveConfig = z.strictObject({
  model: path,
  servedModelName: z.string().min(1),
  quantization,
  maxModelLen: z.int().positive().nullable().describe('Tokens; null is max_position_embeddings.'),
  ropeTheta: z.number().positive().nullable(),
  cache: path.describe('Folder for quantised weights.'),
  parallelSequences: z.int().positive().describe('KV slots.'),
});

export type FetchConfig = z.infer<typeof fetchConfig>;
export type GenerateConfig = z.infer<typeof generateConfig>;
export type TrainConfig = z.infer<typeof trainConfig>;
export type VerifyConfig = z.infer<typeof verifyConfig>;
export type ServeConfig = z.infer<typeof serveConfig>;
