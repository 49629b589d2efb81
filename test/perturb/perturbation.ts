/**
 * The perturbations of Sieve (Sun et al., OSDI 2022), and two leaders at once: each case disturbs one run at one
 * point. Points are named by what happens there, so that they are the same in every run.
 */
import type { ProxyHooks, Stream, WatchLine, Write } from '../operator/api-proxy.ts';
import { stableName } from '../operator/snapshot.ts';

export type Perturbation =
  | { kind: 'none' }
  /** Intermediate state: the controller dies after this write and starts again. */
  | { kind: 'kill'; write: number }
  /** Stale state: from this event on every watch stands still, then breaks and goes on from an older view. */
  | { kind: 'stale'; event: string }
  /** Unobserved state: this event is hidden until its object's next one arrives. */
  | { kind: 'hide'; event: string }
  | { kind: 'leaders' };

export const idOf = (perturbation: Perturbation): string => {
  if (perturbation.kind === 'kill') return `kill-${perturbation.write}`;
  if (perturbation.kind === 'stale' || perturbation.kind === 'hide')
    return `${perturbation.kind}-${perturbation.event}`;
  return perturbation.kind;
};

export interface Disturbance {
  hooks: ProxyHooks;
  /** Whether the point was reached. */
  happened(): boolean;
  /** Every event that passed, by name, in order. */
  events: string[];
}

/** Names events: kind, object without its random part, and which one of that object it is. */
class EventNames {
  readonly #seen = new Map<string, number>();

  next({ type, object }: WatchLine): string {
    const name = object.kind === 'Pod' ? stableName(object.metadata.name ?? '') : object.metadata.name;
    const key = `${object.kind}.${name}.${type}`;
    const count = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, count);
    return `${key}.${count}`;
  }
}

const isObject = ({ type }: WatchLine) => type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED';

export function disturb(perturbation: Perturbation, killed: () => Promise<void>): Disturbance {
  const names = new EventNames();
  const events: string[] = [];
  const named = (line: WatchLine): string | undefined => {
    if (!isObject(line)) return undefined;
    const name = names.next(line);
    events.push(name);
    return name;
  };
  if (perturbation.kind === 'kill') return { ...killAfter(perturbation.write, killed), events };
  if (perturbation.kind === 'stale') return { ...freezeAt(perturbation.event, named), events };
  if (perturbation.kind === 'hide') return { ...hide(perturbation.event, named), events };
  return {
    hooks: {
      onLine(line, stream) {
        named(line);
        stream.send(line);
      },
    },
    happened: () => true,
    events,
  };
}

function killAfter(number: number, killed: () => Promise<void>) {
  let done = false;
  const hooks: ProxyHooks = {
    async onWrite(write: Write) {
      if (done || write.number !== number) return;
      done = true;
      await killed();
    },
  };
  return { hooks, happened: () => done };
}

const standStillMs = 800;
const behindMs = 500;
/** Events that a watch goes back. */
const goBack = 6;

function freezeAt(event: string, named: (line: WatchLine) => string | undefined) {
  const passed = new Map<string, string[]>();
  const open = new Set<Stream>();
  let state: 'before' | 'frozen' | 'behind' | 'after' = 'before';
  let frozenUntil: string[] = [];
  const late: (() => void)[] = [];
  const thaw = () => {
    // What arrived meanwhile is lost with the connections; the watches are opened again, from before.
    state = 'behind';
    for (const stream of open) stream.break();
    open.clear();
    setTimeout(() => {
      state = 'after';
      for (const send of late.splice(0)) send();
    }, behindMs);
  };
  const hooks: ProxyHooks = {
    onWatch(url) {
      if (state !== 'behind') return;
      const versions = passed.get(url.pathname) ?? [];
      const older = versions.at(-goBack) ?? versions[0];
      if (older !== undefined) url.searchParams.set('resourceVersion', older);
    },
    onLine(line, stream) {
      open.add(stream);
      const name = state === 'before' ? named(line) : undefined;
      if (name === event) {
        state = 'frozen';
        frozenUntil = [...passed.values()].flat();
        setTimeout(thaw, standStillMs);
      }
      if (state === 'frozen') return;
      const version = line.object.metadata.resourceVersion;
      if (state === 'before' && isObject(line))
        passed.set(stream.path, [...(passed.get(stream.path) ?? []), version]);
      // Replayed lines pass at once, what is new waits: for a while the controller sees only the past.
      if (state === 'behind' && !frozenUntil.includes(version)) late.push(() => stream.send(line));
      else stream.send(line);
    },
  };
  return { hooks, happened: () => state !== 'before' };
}

const hiddenMs = 2500;

function hide(event: string, named: (line: WatchLine) => string | undefined) {
  let hidden: { line: WatchLine; stream: Stream; timer: NodeJS.Timeout } | undefined;
  let done = false;
  const isSuccessor = (line: WatchLine) =>
    isObject(line) && line.object.metadata.uid === hidden?.line.object.metadata.uid;
  const hooks: ProxyHooks = {
    onLine(line, stream) {
      const name = named(line);
      if (hidden && isSuccessor(line)) {
        clearTimeout(hidden.timer);
        hidden = undefined;
      }
      if (done || name !== event) return stream.send(line);
      done = true;
      const show = () => {
        hidden = undefined;
        stream.send(line);
      };
      hidden = { line, stream, timer: setTimeout(show, hiddenMs) };
    },
  };
  return { hooks, happened: () => done };
}
