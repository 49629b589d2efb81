/** Loopback addresses for Services and rendezvous points: what DNS and ClusterIPs are in a cluster. */
import { createServer } from 'node:net';

const host = '127.0.0.1';

/** A port that is free now; the kernel does not hand it out again soon. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

export class Network {
  readonly #ports: Map<string, Promise<number>>;

  /** `fixed` gives named Services a port of the user's choice. */
  constructor(fixed: Record<string, number> = {}) {
    this.#ports = new Map(Object.entries(fixed).map(([service, port]) => [service, Promise.resolve(port)]));
  }

  /** host:port of a Service, or of the coordinator of a Job. */
  async address(service: string): Promise<string> {
    let port = this.#ports.get(service);
    if (port === undefined) {
      port = freePort();
      this.#ports.set(service, port);
    }
    return `${host}:${await port}`;
  }

  /** http://<service>.<namespace>.svc:<port>/path with the loopback address in place of the Service's. */
  async resolve(url: string): Promise<string> {
    const parsed = new URL(url);
    const service = /^([^.]+)\.[^.]+\.svc$/.exec(parsed.hostname)?.[1];
    if (service === undefined) return url;
    parsed.host = await this.address(service);
    return parsed.href;
  }
}
