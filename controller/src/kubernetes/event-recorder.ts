/** Writes Events (events.k8s.io/v1). The same thing said again of the same object is one Event with a count. */
import { createHash } from 'node:crypto';
import type { EventRecord, Resource } from '../cluster.ts';
import { isAlreadyExists, isNotFound } from './api-error.ts';
import { microTime } from './micro-time.ts';
import { contentTypes } from './repeatable.ts';
import { collectionPath, objectPath } from './resource-paths.ts';
import type { Transport } from './transport.ts';

const eventType = { apiVersion: 'events.k8s.io/v1', kind: 'Event' };
const maxNoteLength = 1024;
/** Counts that are remembered; the oldest is forgotten first, and its next Event starts again at two. */
const maxRemembered = 2000;

export interface EventRecorderOptions {
  transport: Pick<Transport, 'call'>;
  /** Which of the replicas speaks. */
  instance: string;
  component?: string;
  now?(): Date;
}

export class EventRecorder {
  readonly #options: Required<EventRecorderOptions>;
  readonly #counts = new Map<string, number>();

  constructor(options: EventRecorderOptions) {
    this.#options = { component: 'longpo.dev/controller', now: () => new Date(), ...options };
  }

  async record(about: Resource, event: EventRecord): Promise<void> {
    const { apiVersion, kind, metadata } = about;
    const identity = [kind, metadata.uid, event.type, event.reason, event.message].join('\0');
    const hash = createHash('sha256').update(identity).digest('hex').slice(0, 16);
    const name = `${metadata.name.slice(0, 200)}.${hash}`;
    const time = microTime(this.#options.now());
    const known = this.#counts.get(name);
    if (known !== undefined && (await this.#countUp(metadata.namespace, name, known + 1, time))) return;
    try {
      await this.#options.transport.call('POST', collectionPath(eventType, metadata.namespace), {
        body: {
          ...eventType,
          metadata: { name, namespace: metadata.namespace },
          eventTime: time,
          type: event.type,
          reason: event.reason,
          note: event.message.slice(0, maxNoteLength),
          action: 'Reconcile',
          reportingController: this.#options.component,
          reportingInstance: this.#options.instance,
          regarding: {
            apiVersion,
            kind,
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resourceVersion: metadata.resourceVersion,
          },
        },
      });
      this.#remember(name, 1);
    } catch (error) {
      // Said before a restart, or by the other replica.
      if (!isAlreadyExists(error)) throw error;
      await this.#countUp(metadata.namespace, name, 2, time);
    }
  }

  /** False when the Event is gone: the API server keeps them for an hour. */
  async #countUp(namespace: string, name: string, count: number, time: string): Promise<boolean> {
    try {
      await this.#options.transport.call('PATCH', objectPath({ ...eventType, namespace, name }), {
        contentType: contentTypes.merge,
        body: { series: { count, lastObservedTime: time } },
      });
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    this.#remember(name, count);
    return true;
  }

  #remember(name: string, count: number): void {
    this.#counts.delete(name);
    this.#counts.set(name, count);
    const oldest = this.#counts.keys().next().value;
    if (this.#counts.size > maxRemembered && oldest !== undefined) this.#counts.delete(oldest);
  }
}
