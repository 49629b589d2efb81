/** The thread that compiles grammars and computes masks, off the event loop: a first mask may take tens of milliseconds. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Grammar } from '../grammar.ts';
import { expressionOf } from './compile.ts';
import { GrammarError } from './grammar-error.ts';
import { CompiledGrammar, type ModelTokens, Place } from './held-grammar.ts';
import {
  type CompileReply,
  maskState,
  type WorkerRequest,
  type WorkerSettings,
  writeReason,
} from './protocol.ts';
import { TokenTree } from './token-tree.ts';
import { readTokenBytes } from './vocabulary.ts';

const maxCompiled = 32;
/** A grammar that has met more states starts anew. */
const maxStates = 20_000;

const settings: WorkerSettings = workerData;
const compiled = new Map<string, CompiledGrammar>();
const places = new Map<number, { readonly place: Place; readonly block: Int32Array }>();
let tokens: ModelTokens | undefined;

function modelTokens(): ModelTokens {
  const bytes = tokens?.bytes ?? readTokenBytes(settings.folder, settings.vocabularySize);
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
  const [oldest] = compiled.keys();
  if (oldest !== undefined && compiled.size > maxCompiled) compiled.delete(oldest);
  return made;
}

function refusal(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows the mask, or why there is none, to whoever waits for it. */
function answer(block: Int32Array, mask: () => Int32Array): void {
  let state: number = maskState.ready;
  try {
    block.set(mask(), 1);
  } catch (error) {
    writeReason(block, refusal(error));
    state = error instanceof GrammarError ? maskState.refused : maskState.failed;
  }
  Atomics.store(block, 0, state);
  Atomics.notify(block, 0);
}

function reply(request: number, grammar: Grammar): void {
  let refused: string | null = null;
  try {
    compile(grammar);
  } catch (error) {
    refused = refusal(error);
  }
  const message: CompileReply = { request, refused };
  parentPort?.postMessage(message);
}

function open(id: number, grammar: Grammar, block: Int32Array): void {
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
  if (request.type === 'compile') reply(request.request, request.grammar);
  else if (request.type === 'open') open(request.matcher, request.grammar, new Int32Array(request.block));
  else if (request.type === 'accept') accept(request.matcher, request.token);
  else places.delete(request.matcher);
});
