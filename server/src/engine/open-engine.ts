/** Opens a model folder as an engine: verify, quantise or find in the cache, load, schedule. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModelFolder } from '../model/folder.ts';
import { ModelError } from '../model/model-error.ts';
import { quantizedWeights } from '../model/quantization/cache.ts';
import { mapsWeights } from '../model/weight-residence.ts';
import { Decoder, type DecoderSettings, kvShapeOf } from './decoder.ts';
import { type Engine, EngineError, type EngineOptions, type GenerateRequest } from './engine.ts';
import { type KvScales, sampleKvScales } from './kv-scales.ts';
import { type KvShape, kvBytes } from './memory/kv-cache.ts';
import { PrefixStore } from './prefix-cache/prefix-store.ts';
import { rotationOf } from './rotary.ts';
import type { RotarySettings } from './rotary-frequencies.ts';
import { Grammars } from './sampling/constrained/grammars.ts';
import { Scheduler } from './scheduler/scheduler.ts';

/** Long enough for the matrix kernels' full speed, short enough that a decode beside it waits well below a second. */
const chunkTokens = 256;

/** A run of eight tokens costs about three times that of one. */
const maxDraft = 7;

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { quantization } = options;
  const load = loadProgress(options);
  const folder = await openModelFolder(options.directory, load.hashed);
  const { architecture, tensors } = folder;
  const tokenizer = await readFile(join(options.directory, 'tokenizer.json'), 'utf8');
  const maxModelLen = options.maxModelLen ?? architecture.maxPositionEmbeddings;
  const shape = {
    architecture,
    slots: options.parallelSequences,
    positions: maxModelLen,
    // 4 bits are for speed; float32 and 8 bits promise the same text for the same seed.
    bitEqual: quantization !== 'int4',
    maxDraft: options.promptLookup === true ? maxDraft : 0,
    kvType: options.kvType ?? 'f32',
  };
  checkKvMemory(options, kvShapeOf(shape), maxModelLen);
  const quantized =
    quantization === 'none'
      ? null
      : await quantizedWeights(folder, quantization, options.cache, options.threads, load.quantized);
  load.done();
  const ropeTheta = options.ropeTheta ?? architecture.ropeTheta;
  const settings = {
    ...shape,
    tensors,
    quantized,
    mapWeights: mapsWeights(tensors, process.availableMemory()),
    ropeTheta,
    threads: options.threads,
    chunkTokens: Math.min(chunkTokens, maxModelLen),
  };
  const kvScales = shape.kvType === 'int8' ? await sampleKvScales(settings) : null;
  const decoder = await Decoder.open({ ...settings, kvScales });
  // Not as a request, whose slot might be the one that a prefix comes back to.
  await decoder.warmUp();
  const prefixes = prefixStore(options, folder.digest, { ...settings, kvScales });
  const { vocabularySize } = architecture;
  const { eosTokenIds } = folder;
  const grammars = new Grammars({ tokenizer, vocabularySize, eosTokenIds });
  const scheduler = new Scheduler(decoder, {
    ...options,
    prefixes,
    eosTokenIds,
    constrain: (grammar) => grammars.constraint(grammar),
  });
  await scheduler.restore();
  return {
    maxModelLen,
    vocabularySize,
    eosTokenIds: folder.eosTokenIds,
    digest: folder.digest,
    kvType: shape.kvType,
    generate: (request, signal) => {
      checkRequest(request, maxModelLen, vocabularySize);
      return scheduler.submit(request, signal);
    },
    stats: () => scheduler.stats(),
    async close() {
      await scheduler.close();
      await grammars.close();
    },
  };
}

/** Keys and values are of the weights as they are served, of their positions and of how they are stored. */
function prefixStore(
  { prefixCache, quantization, onWarning }: EngineOptions,
  digest: string,
  settings: RotarySettings & Pick<DecoderSettings, 'quantized'> & { readonly kvScales: KvScales | null },
): PrefixStore | null {
  if (prefixCache == null) return null;
  const { inverse, factor } = rotationOf(settings);
  // Of scales too: they tell how many weights share one.
  const shapes = [...(settings.quantized?.tensors.values() ?? [])].map(({ name, shape }) => [name, shape]);
  const scales = settings.kvScales?.map((values) => [...values]);
  const origin = { digest, quantization, shapes, inverse: [...inverse], factor, scales };
  return new PrefixStore(prefixCache, JSON.stringify(origin), onWarning);
}

/** A budget below one context could never admit the longest request. */
function checkKvMemory({ kvMemory }: EngineOptions, shape: KvShape, maxModelLen: number): void {
  const needed = kvBytes(shape, maxModelLen);
  if (kvMemory == null || kvMemory >= needed) return;
  const message = `keys and values of one context of ${maxModelLen} tokens take ${needed} bytes, the budget is ${kvMemory}: raise kvMemory or lower maxModelLen`;
  throw new ModelError('KV_MEMORY_TOO_SMALL', message);
}

/** The folder is read twice when it is quantised: once to know that it is whole, once to convert it. */
function loadProgress({ quantization, onLoad }: EngineOptions) {
  let bytes = 0;
  const passes = quantization === 'none' ? 1 : 2;
  return {
    hashed: (completed: number, total: number): void => {
      bytes = total;
      onLoad?.(completed, passes * total);
    },
    quantized: (completed: number, total: number): void => {
      onLoad?.(bytes + Math.floor((completed / total) * bytes), passes * bytes);
    },
    done: (): void => onLoad?.(passes * bytes, passes * bytes),
  };
}

function checkRequest(request: GenerateRequest, maxModelLen: number, vocabularySize: number): void {
  const { promptIds, maxTokens, temperature, topP } = request;
  const { length } = promptIds;
  if (length === 0) throw new EngineError('PROMPT_EMPTY', 'the prompt has no tokens');
  if (length + Math.min(maxTokens, 1) > maxModelLen) {
    const message = `the prompt has ${length} tokens; the model takes ${maxModelLen} with the answer`;
    throw new EngineError('PROMPT_TOO_LONG', message);
  }
  const outside = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (outside !== undefined) {
    throw new EngineError('TOKEN_OUT_OF_RANGE', `token id ${outside}: ids are 0 to ${vocabularySize - 1}`);
  }
  if (!(maxTokens >= 0))
    throw new EngineError('REQUEST_INVALID', `maxTokens is ${maxTokens}; it must be at least 0`);
  if (!(temperature >= 0))
    throw new EngineError('REQUEST_INVALID', `temperature is ${temperature}; it must be >= 0`);
  if (!(topP > 0 && topP <= 1))
    throw new EngineError('REQUEST_INVALID', `topP is ${topP}; it must be in (0, 1]`);
}
