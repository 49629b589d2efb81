/** The thread that compiles grammars and computes masks, off the event loop: a first mask may take tens of milliseconds. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Grammar } from '../grammar.ts';
import { expressionOf } from './compile.ts';
import { GrammarError } from './grammar-error.ts';
import { CompiledGrammar, type ModelTokens, Place } from './held-grammar.ts';
import { MaskBlock, type WorkerRequest, type WorkerSettings } from './protocol.ts';
import { TokenTree } from './token-tree.ts';
import { readTokenBytes } from './vocabulary.ts';

const maxCompiled = 32;
const maxKeptStates = 100_000;
/** A grammar that has met more states starts anew. */
const maxStates = 20_000;

const settings: WorkerSettings = workerData;
const compiled = new Map<string, CompiledGrammar>();
const places = new Map<number, { readonly place: Place; readonly block: MaskBlock }>();
let tokens: ModelTokens | undefined;

function modelTokens(): ModelTokens {
  const bytes = tokens?.bytes ?? readTokenBytes(settings.tokenizer, settings.vocabularySize);
  tokens ??= { bytes, tree: new TokenTree(bytes), eosTokenIds: settings.eosTokenIds };
  return tokens;
}

function compile(grammar: Grammar): CompiledGrammar {
  const key = JSON.stringify(grammar);
  const found = compiled.get(key);
  const made =
    found && found.automaton.size <= maxStates
      ? found
      : new CompiledGrammar(expressionOf(grammar), modelTokens());
  // The last in order is the last used.
  compiled.delete(key);
  compiled.set(key, made);
  for (const oldest of compiled.keys()) {
    if (oldest === key || (compiled.size <= maxCompiled && keptStates() <= maxKeptStates)) break;
    compiled.delete(oldest);
  }
  return made;
}

const keptStates = (): number =>
  [...compiled.values()].reduce((sum, { automaton }) => sum + automaton.size, 0);

/** Shows the next mask, or why there is none, to whoever waits for it. */
function answer(block: MaskBlock, mask: () => Int32Array): void {
  try {
    block.writeMask(mask());
  } catch (error) {
    const outcome = error instanceof GrammarError ? 'refused' : 'failed';
    block.writeReason(outcome, error instanceof Error ? error.message : String(error), 1);
  }
}

function open(id: number, grammar: Grammar, block: MaskBlock): void {
  answer(block, () => {
    const place = new Place(compile(grammar), modelTokens());
    places.set(id, { place, block });
    return place.mask();
  });
}

function accept(id: number, token: number): void {
  const held = places.get(id);
  if (!held) return;
  answer(held.block, () => {
    held.place.accept(token);
    return held.place.mask();
  });
}

parentPort?.on('message', (request: WorkerRequest) => {
  if (request.type === 'open') open(request.matcher, request.grammar, new MaskBlock(request.block));
  else if (request.type === 'accept') accept(request.matcher, request.token);
  else places.delete(request.matcher);
});
