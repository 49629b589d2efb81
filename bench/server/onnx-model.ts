/**
 * The real model for transformers.js: an ONNX file with 4 bits by onnxruntime-genai's builder, which many of the hub's
 * own come from. The builder gets a Python of its own on top of the trainer's packages.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const packages = ['onnxruntime-genai==0.18.0', 'onnx==1.23.2', 'onnx-ir==1.1.0', 'onnxruntime==1.32.0'];

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

const sitePackages = (python: string): string =>
  run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);

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
  const python = ensureBuilder(inputs);
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

function ensureBuilder({ cacheRoot, python, pipArgs }: OnnxInputs): string {
  const folder = join(cacheRoot, 'onnx-builder');
  const [layered, complete] = [join(folder, 'bin', 'python'), join(folder, 'complete')];
  const wanted = [sitePackages(python), ...packages].join('\n');
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return layered;
  process.stdout.write(`Installing onnxruntime-genai's builder in ${folder}, once ...\n`);
  rmSync(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder]);
  // A path file makes the packages of another environment importable, and pip sees them as installed.
  writeFileSync(join(sitePackages(layered), 'trainer.pth'), `${sitePackages(python)}\n`);
  run(layered, ['-m', 'pip', 'install', '--quiet', ...pipArgs, ...packages]);
  writeFileSync(complete, wanted);
  return layered;
}
