/** How each side is started. Every one gets all cores and reads the context that the comparison needs. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { EngineOptions } from '../../server/src/engine/engine.ts';
import { installPeer } from './install.ts';
import type { Contest } from './models.ts';
import type { Width } from './plan.ts';
import { ratio, type SideCommand } from './side.ts';

export const threads = availableParallelism();

export interface Context {
  /** Tokens of one sequence. */
  readonly tokens: number;
  readonly sequences: number;
}

export interface Contender {
  readonly command: SideCommand;
  /** The name of our side that it is compared with; null for ours. */
  readonly own: string | null;
}

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

/** Ours and llama.cpp's, of each width. */
export function pairs(
  contest: Contest,
  cache: string,
  context: Context,
  widths: readonly Width[],
): Contender[] {
  return widths.flatMap((quantization) => {
    const ours = engineSide({ directory: contest.folder, quantization, cache }, context);
    const theirs = llamaCppSide(contest, quantization, context);
    return [
      { command: ours, own: null },
      { command: theirs, own: ours.name },
    ];
  });
}

/** Of each contender against ours: our figures in multiples of its own, round by round. */
export function ratiosToOwn(
  contenders: readonly { readonly name: string; readonly own: string | null }[],
  figures: readonly number[][],
): string[] {
  return contenders.map(({ own }, index) => {
    if (own === null) return '';
    return ratio(figures[contenders.findIndex(({ name }) => name === own)], figures[index]);
  });
}

/** transformers.js, and what it stands on used as it is, on one ONNX file. */
export function javaScriptSides(onnxFolder: string): Contender[] {
  const folder = installPeer('transformers-js', '@huggingface/transformers');
  const side = (name: string, script: string): Contender => ({
    command: { name, args: [join(folder, script), onnxFolder, String(threads)] },
    own: 'longpo int4',
  });
  return [side('transformers.js q4', 'side.mjs'), side('onnxruntime-node q4', 'stock-side.mjs')];
}
