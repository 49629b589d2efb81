/** Listens on every ClusterIP port that has endpoints, and passes each connection to one of them at random. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ServicePort, Target } from './service-ports.ts';

interface Listener {
  server: Server;
  targets: Target[];
}

export class ServiceProxy {
  readonly #listeners = new Map<string, Listener>();

  /** Connections that are open stay open, whatever becomes of their port. */
  update(ports: ReadonlyMap<string, ServicePort>): void {
    for (const [key, listener] of this.#listeners) {
      if (ports.has(key)) continue;
      listener.server.close();
      this.#listeners.delete(key);
    }
    for (const [key, port] of ports) {
      const known = this.#listeners.get(key);
      if (known) known.targets = port.targets;
      else this.#listen(key, port);
    }
  }

  close(): void {
    this.update(new Map());
  }

  #listen(key: string, { address, port, targets }: ServicePort): void {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    const listener = { server, targets };
    this.#listeners.set(key, listener);
    server.on('connection', (socket) => pass(socket, listener.targets));
    server.on('error', (error) => {
      // The next change of any Service or endpoint tries again.
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
      process.stderr.write(`${key}: ${error}\n`);
    });
    server.listen(port, address);
  }
}

function pass(near: Socket, targets: Target[]): void {
  const target = targets[Math.floor(Math.random() * targets.length)];
  if (target === undefined) {
    near.resetAndDestroy();
    return;
  }
  const far = connect({ ...target, allowHalfOpen: true, noDelay: true });
  far.on('error', () => near.resetAndDestroy());
  near.on('error', () => far.resetAndDestroy());
  near.pipe(far).pipe(near);
}
