/** How the watches stand. A kind may be watched by several reflectors, one a namespace. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ReflectorObserver, ReflectorState } from '../kubernetes/reflector.ts';

interface Watch {
  kind: string;
  state: ReflectorState;
  objects: number;
  /** Of the last line that came, or of the start. */
  heardMs: number;
}

export function watchGauges(registry: Registry, nowMs: () => number): (kind: string) => ReflectorObserver {
  const watches: Watch[] = [];
  const registers = [registry];
  const labelNames = ['kind'];
  const gauge = (name: string, help: string, read: (ofKind: Watch[]) => number) =>
    new Gauge({
      name: `longpo_watch_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        const byKind = Map.groupBy(watches, ({ kind }) => kind);
        for (const [kind, ofKind] of byKind) this.set({ kind }, read(ofKind));
      },
    });
  gauge('cached_objects', 'Objects in the copy.', (ofKind) => ofKind.reduce((sum, w) => sum + w.objects, 0));
  gauge('last_event_age_seconds', 'Since the last line, bookmarks included (about one a minute).', (ofKind) =>
    Math.max(...ofKind.map(({ heardMs }) => (nowMs() - heardMs) / 1000)),
  );
  gauge('connected', '1 while the watch is open.', (ofKind) =>
    ofKind.every(({ state }) => state === 'WATCHING') ? 1 : 0,
  );
  const counter = (name: string, help: string) =>
    new Counter({ name: `longpo_watch_${name}_total`, help, labelNames, registers });
  const lists = counter(
    'relists',
    'Lists, the first one included: the watch could not go on from where it was.',
  );
  const connects = counter('connects', 'Watches opened, the first one included.');
  return (kind) => {
    const watch: Watch = { kind, state: 'STOPPED', objects: 0, heardMs: nowMs() };
    watches.push(watch);
    return {
      onState(state) {
        watch.state = state;
      },
      onRelist: () => lists.inc({ kind }),
      onConnect() {
        connects.inc({ kind });
        watch.heardMs = nowMs();
      },
      onReceived() {
        watch.heardMs = nowMs();
      },
      onSize(objects) {
        watch.objects = objects;
      },
    };
  };
}
