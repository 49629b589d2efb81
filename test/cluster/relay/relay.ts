/** The host's side of the relay: ports of the host's loopback that lead into a bed. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { BedProcess } from '../bed/bed-process.ts';
import type { Namespaces } from '../bed/namespaces.ts';

export class Relay {
  readonly #process: BedProcess;
  #lastId = 0;

  private constructor(process: BedProcess) {
    this.#process = process;
  }

  static async start(namespaces: Namespaces, env: Record<string, string>): Promise<Relay> {
    const command = [process.execPath, join(import.meta.dirname, 'main.ts')];
    return new Relay(await namespaces.spawn(command, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
  }

  /** Port on 127.0.0.1 of the host that leads to host:port as they are known inside. */
  async forward(host: string, port: number): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const id = ++this.#lastId;
    const { child } = this.#process;
    const taken = new Promise<void>((resolve, reject) => {
      const onMessage = (message: unknown) => {
        if ((message as { id: number }).id !== id) return;
        child.off('message', onMessage);
        resolve();
      };
      child.on('message', onMessage);
      child.once('exit', () => reject(new Error('the relay of the bed has ended')));
    });
    child.send({ id, host, port }, server);
    await taken;
    // From here on the relay alone listens.
    server.close();
    return address.port;
  }
}
