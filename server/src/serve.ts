/** One model behind one port: listens at once, loads, then says it is ready. */
import { availableParallelism } from 'node:os';
import type { ServeConfig } from '@longpo/api';
import { openTokenizer } from '@longpo/tokens';
import { ApiKeys } from './api/api-keys.ts';
import { createApp } from './api/app.ts';
import { defaultLimits, type RequestLimits } from './api/limits.ts';
import type { ModelState } from './api/model-state.ts';
import type { Log } from './api/request-record.ts';
import type { ServerSettings } from './config/settings.ts';
import { Encoder } from './encoding/encoder.ts';
import type { Engine } from './engine/engine.ts';
import { openEngine } from './engine/open-engine.ts';
import { listen } from './listener.ts';
import { createMetrics } from './metrics.ts';

type Further = Omit<ServerSettings, keyof ServeConfig | 'listen' | 'drainSeconds'>;

/** The pod contract's fields have to be said; what goes beyond them has the defaults of `config/settings.ts`. */
export interface ServerOptions extends ServeConfig, Partial<Further> {
  host: string;
  port: number;
  log: Log;
}

export interface RunningServer {
  /** http://host:port */
  url: string;
  /**
   * Stops accepting, lets running requests end for up to graceMs, tells those that are left that the server stops, and
   * frees the model. A second call sets the deadline anew: 0 is now.
   */
  close(graceMs: number): Promise<void>;
}

/** Resolves when the model answers. Throws a ModelError, TokenizerError or PortInUseError that a user can mend. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { model, servedModelName, host, port, log } = options;
  const started = performance.now();
  let state: ModelState = { phase: 'loading', percent: 0 };
  let engine: Engine | undefined;
  const metrics = createMetrics(servedModelName, () => engine, {
    vllmNames: options.vllmMetricNames ?? false,
  });
  const app = createApp({
    state: () => state,
    metrics,
    log,
    limits: limitsOf(options),
    apiKeys: apiKeysOf(options),
    corsOrigins: options.corsOrigins ?? [],
  });
  const listener = await listen(app.fetch, host, port);
  try {
    const opened = await openEngine({
      directory: model,
      quantization: options.quantization,
      cache: options.cache,
      maxModelLen: options.maxModelLen,
      ropeTheta: options.ropeTheta,
      parallelSequences: options.parallelSequences,
      threads: options.threads ?? availableParallelism(),
      kvMemory: options.kvMemory ?? null,
      kvType: options.kvType ?? 'f32',
      maxQueuedTokens: options.maxQueuedTokens ?? null,
      promptLookup: options.promptLookup ?? false,
      prefixCache: options.prefixCache ?? null,
      onStep: (step) => metrics.step(step),
      onWarning: (reason) => log({ level: 'warn', msg: 'engine', reason }),
      onLoad(completed, total) {
        state = { phase: 'loading', percent: total === 0 ? 0 : Math.floor((100 * completed) / total) };
      },
    });
    engine = opened;
    // After the engine, whose door says best what is wrong with a folder.
    const tokenizer = await openTokenizer(model);
    const encoder = await Encoder.open(model, tokenizer);
    const loadSeconds = (performance.now() - started) / 1000;
    metrics.loaded(loadSeconds);
    const created = Math.floor(Date.now() / 1000);
    const { encode } = encoder;
    state = {
      phase: 'ready',
      model: { name: servedModelName, created, engine: opened, tokenizer, encode, metrics },
    };
    const { digest, maxModelLen } = opened;
    log({ msg: 'ready', url: listener.url, model, digest, maxModelLen, loadSeconds });
    return {
      url: listener.url,
      async close(graceMs) {
        state = { phase: 'stopping' };
        await listener.close(graceMs, () => opened.close());
        await Promise.all([opened.close(), encoder.close()]);
      },
    };
  } catch (error) {
    await listener.close(0);
    await engine?.close();
    throw error;
  }
}

function limitsOf({ maxBodyBytes, maxNewTokens, maxStops, maxChoices }: ServerOptions): RequestLimits {
  return {
    bodyBytes: maxBodyBytes ?? defaultLimits.bodyBytes,
    newTokens: maxNewTokens ?? defaultLimits.newTokens,
    stops: maxStops ?? defaultLimits.stops,
    choices: maxChoices ?? defaultLimits.choices,
  };
}

function apiKeysOf({ apiKeyFile, log }: ServerOptions): ApiKeys | null {
  if (apiKeyFile == null) return null;
  return new ApiKeys(apiKeyFile, (error) =>
    log({ level: 'error', msg: 'api keys unreadable', file: apiKeyFile, reason: String(error) }),
  );
}
