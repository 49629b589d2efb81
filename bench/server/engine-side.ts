/** Our engine as a side. Usage: node engine-side.ts '{"directory": ..., and the rest of EngineOptions}' */
import type { EngineOptions } from '../../server/src/engine/engine.ts';
import { defaultSampling } from '../../server/src/engine/sampling/settings.ts';
import { openEngine } from '../../server/src/index.ts';
import { answerQuestions, type Continuation } from './side-process.ts';

const engine = await openEngine(JSON.parse(process.argv[2] ?? '') as EngineOptions);

async function* generate({ held, ids, count }: Continuation): AsyncIterable<number> {
  // What a slot holds of it is found by the engine, as a server would find it.
  const promptIds = [...held, ...ids];
  const request = { ...defaultSampling, promptIds, maxTokens: count, temperature: 0, ignoreEos: true };
  for await (const { id } of engine.generate(request).tokens) yield id;
}

await answerQuestions(generate);
