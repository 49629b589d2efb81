/**
 * The real model for transformers.js: an ONNX file with 4 bits by onnxruntime-genai's builder, which many of the hub's
 * own come from. The builder gets a Python of its own on top of the trainer's packages.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ensureLayeredPython } from '../../cli/src/setup/layered-python.ts';

const requirements = ['onnxruntime-genai==0.18.0', 'onnx==1.23.2', 'onnx-ir==1.1.0', 'onnxruntime==1.32.0'];

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

/** SmolLM2-135M's. */
const headSize = 64;
/** The builder makes its tables of rotary positions as long as the model says: 8,192 leave no room for an answer. */
const positions = 16_384;

export interface OnnxInputs {
  readonly model: string;
  readonly cacheRoot: string;
  readonly python: string;
  readonly pipArgs: readonly string[];
}

/** A folder as transformers.js reads it: config.json, onnx/model_q4.onnx. Made once. */
export function prepareOnnxModel(inputs: OnnxInputs): string {
  const folder = join(inputs.cacheRoot, 'models', 'bench', `SmolLM2-135M-onnx-${positions}`);
  if (existsSync(folder)) return folder;
  const python = ensureLayeredPython({ ...inputs, name: 'onnx-builder', requirements });
  process.stdout.write(`Making ${folder}, once ...\n`);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const built = join(unfinished, 'onnx');
  const longer = withPositions(inputs.model, join(unfinished, 'model'));
  const source = ['-m', longer, '-i', longer, '-c', join(unfinished, 'cache')];
  const form = ['-p', 'int4', '-e', 'cpu', '--extra_options', 'filename=model_q4.onnx'];
  run(python, ['-m', 'onnxruntime_genai.models.builder', ...source, '-o', built, ...form]);
  run(python, [join(import.meta.dirname, 'numeric_dims.py'), join(built, 'model_q4.onnx'), String(headSize)]);
  for (const file of ['config.json', 'generation_config.json'])
    cpSync(join(longer, file), join(unfinished, file));
  for (const made of ['cache', 'model']) rmSync(join(unfinished, made), { recursive: true, force: true });
  renameSync(unfinished, folder);
  return folder;
}

/** The model with another length in its config; all other files are links to its own. */
function withPositions(model: string, folder: string): string {
  mkdirSync(folder);
  for (const file of readdirSync(model))
    if (file !== 'config.json') symlinkSync(join(model, file), join(folder, file));
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as object;
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ ...config, max_position_embeddings: positions }),
  );
  return folder;
}
