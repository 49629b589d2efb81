/**
 * The real model for transformers.js: an ONNX file with 4 bits by onnxruntime-genai's builder, which many of the hub's
 * own come from. The builder gets a Python of its own on top of the trainer's packages.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureLayeredPython } from '../../cli/src/setup/layered-python.ts';

const requirements = ['onnxruntime-genai==0.18.0', 'onnx==1.23.2', 'onnx-ir==1.1.0', 'onnxruntime==1.32.0'];

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

/** SmolLM2-135M's. */
const headSize = 64;

export interface OnnxInputs {
  readonly model: string;
  readonly cacheRoot: string;
  readonly python: string;
  readonly pipArgs: readonly string[];
}

/** A folder as transformers.js reads it: config.json, onnx/model_q4.onnx. Made once. */
export function prepareOnnxModel(inputs: OnnxInputs): string {
  const folder = join(inputs.cacheRoot, 'models', 'bench', 'SmolLM2-135M-onnx');
  if (existsSync(folder)) return folder;
  const python = ensureLayeredPython({ ...inputs, name: 'onnx-builder', requirements });
  process.stdout.write(`Making ${folder}, once ...\n`);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const built = join(unfinished, 'onnx');
  const source = ['-m', inputs.model, '-i', inputs.model, '-c', join(unfinished, 'cache')];
  const form = ['-p', 'int4', '-e', 'cpu', '--extra_options', 'filename=model_q4.onnx'];
  run(python, ['-m', 'onnxruntime_genai.models.builder', ...source, '-o', built, ...form]);
  run(python, [join(import.meta.dirname, 'numeric_dims.py'), join(built, 'model_q4.onnx'), String(headSize)]);
  rmSync(join(unfinished, 'cache'), { recursive: true, force: true });
  for (const file of ['config.json', 'generation_config.json'])
    cpSync(join(inputs.model, file), join(unfinished, file));
  renameSync(unfinished, folder);
  return folder;
}
