/** One reflector for everybody who watches a kind. */
import type { Resource, WatchEvent } from '../cluster.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';

type Listener = (event: WatchEvent) => void;

export class SharedWatch {
  readonly reflector: Reflector<Resource>;
  readonly #listeners = new Set<Listener>();
  readonly #onError: (error: unknown) => void;
  readonly #synced: Promise<void>;
  #isSynced = false;

  constructor(options: Omit<ReflectorOptions<Resource>, 'onEvent'> & { onError(error: unknown): void }) {
    this.#onError = options.onError;
    this.reflector = new Reflector<Resource>({
      ...options,
      onEvent: ({ type, object }) => {
        for (const listener of this.#listeners) this.#tell(listener, { type, object });
      },
    });
    this.#synced = this.reflector.start().then(() => {
      this.#isSynced = true;
    });
    this.#synced.catch(() => undefined); // whoever subscribed waits for it and is told
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Resolves when `onEvent` has been told of every object that is known. */
  async subscribe(onEvent: Listener): Promise<() => void> {
    // An own function for each subscription: the same one may subscribe twice.
    const listener: Listener = (event) => onEvent(event);
    // Nothing is awaited between the copy and the subscription, so no event falls between them.
    for (const object of this.reflector.list()) this.#tell(listener, { type: 'ADDED', object });
    this.#listeners.add(listener);
    await this.#synced;
    return () => this.#listeners.delete(listener);
  }

  /** One listener that throws must not keep the event from the next. */
  #tell(listener: Listener, event: WatchEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#onError(error);
    }
  }
}
