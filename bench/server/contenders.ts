/** How each side is started. Every one gets all cores and reads the context that the comparison needs. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { EngineOptions } from '../../server/src/engine/engine.ts';
import { installPeer } from './install.ts';
import type { Contest } from './models.ts';
import type { SideCommand } from './side.ts';

export const threads = availableParallelism();

export interface Context {
  /** Tokens of one sequence. */
  readonly tokens: number;
  readonly sequences: number;
}

export const quantizations = ['int4', 'int8'] as const;
export type Width = (typeof quantizations)[number];

type Ours = Pick<EngineOptions, 'directory' | 'quantization' | 'cache' | 'kvType'>;

export function engineSide(options: Ours, { tokens, sequences }: Context): SideCommand {
  const all: EngineOptions = {
    ...options,
    maxModelLen: tokens,
    ropeTheta: null,
    parallelSequences: sequences,
    threads,
  };
  return {
    name: `longpo ${options.quantization}`,
    args: [join(import.meta.dirname, 'engine-side.ts'), JSON.stringify(all)],
  };
}

export function llamaCppSide(contest: Contest, width: Width, { tokens, sequences }: Context): SideCommand {
  const folder = installPeer('llama-cpp', 'node-llama-cpp');
  const file = width === 'int4' ? contest.q4 : contest.q8;
  return {
    name: `llama.cpp ${width === 'int4' ? 'Q4_0' : 'Q8_0'}`,
    args: [join(folder, 'side.mjs'), file, String(tokens), String(sequences), String(threads)],
  };
}

/** transformers.js, and what it stands on used as it is, on one ONNX file. */
export function javaScriptSides(onnxFolder: string): SideCommand[] {
  const folder = installPeer('transformers-js', '@huggingface/transformers');
  const side = (name: string, script: string) => ({
    name,
    args: [join(folder, script), onnxFolder, String(threads)],
  });
  return [side('transformers.js q4', 'side.mjs'), side('onnxruntime-node q4', 'stock-side.mjs')];
}
