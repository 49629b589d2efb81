/**
 * Stands between one controller and the API server, in the test's own process: it counts and tells writes, and lets a
 * test hold back, hide or replay the events of watches. Everything else passes as it is.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Connection } from '../../controller/src/kubernetes/connection.ts';

export interface Write {
  /** From 1, in the order in which the API server answered. */
  number: number;
  /** For instance `POST Job/demo-fetch-a1`, `PATCH LongPOTraining/demo/status`. */
  name: string;
  status: number;
}

export interface WatchLine {
  type: string;
  object: {
    kind: string;
    metadata: { name?: string; uid?: string; resourceVersion: string; deletionTimestamp?: string };
  };
}

export interface Call {
  method: string;
  url: URL;
  contentType: string | undefined;
  body: string;
  status: number;
}

/** One watch as the controller opened it; `send` passes lines on, in the order of the calls. */
export interface Stream {
  path: string;
  send(line: WatchLine): void;
  /** Ends it in the middle of a line. */
  cut(line: WatchLine): void;
  /** Ends it as a broken connection would. */
  break(): void;
}

export interface ProxyHooks {
  /** After the API server has answered a write and before the controller knows; throwing drops the answer. */
  onWrite?(write: Write): void | Promise<void>;
  /** Takes the place of passing a line on. */
  onLine?(line: WatchLine, stream: Stream): void;
  /** May change the path and query of a watch that is opened. */
  onWatch?(url: URL): void;
  /** Every call but watches, once it is answered. */
  onCall?(call: Call): void;
  /** May answer instead of the API server. */
  onRequest?(incoming: IncomingMessage, response: ServerResponse): boolean;
}

const writing = new Set(['POST', 'PATCH', 'PUT', 'DELETE']);
/** Not what a reconcile writes. */
const notCounted = /\/(tokenreviews|leases|events)(\/|\?|$)/;

export class ApiProxy {
  readonly #server: Server;
  readonly #target: Connection;
  readonly #hooks: ProxyHooks;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #streams = new Set<IncomingMessage>();
  readonly writes: Write[] = [];

  private constructor(target: Connection, hooks: ProxyHooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#server = createServer((incoming, response) => void this.#pass(incoming, response));
  }

  /** Of `target` only the address and the trust are used: who the controller is, its own token says. */
  static async open(target: Connection, hooks: ProxyHooks = {}): Promise<ApiProxy> {
    const proxy = new ApiProxy(target, hooks);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#hooks.onRequest?.(incoming, response)) return;
    const url = new URL(incoming.url ?? '', 'http://proxy');
    const isWatch = url.searchParams.has('watch');
    if (isWatch) this.#hooks.onWatch?.(url);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const outgoing = request(
      {
        ...this.#target.tls,
        host: this.#target.server.hostname,
        port: this.#target.server.port,
        method: incoming.method,
        path: url.pathname + url.search,
        headers: { ...incoming.headers, host: this.#target.server.host },
        ...(isWatch ? {} : { agent: this.#agent }),
      },
      (answer) => {
        if (isWatch && answer.statusCode === 200) this.#stream(url, answer, response);
        else void this.#answer(incoming, url, body, answer, response);
      },
    );
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    outgoing.end(body);
  }

  async #answer(
    incoming: IncomingMessage,
    url: URL,
    body: Buffer,
    answer: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const method = incoming.method ?? '';
      const status = answer.statusCode ?? 0;
      const contentType = incoming.headers['content-type'];
      this.#hooks.onCall?.({ method, url, contentType, body: body.toString(), status });
      if (writing.has(method) && !notCounted.test(url.pathname)) {
        const write = { number: this.writes.length + 1, name: nameOf(method, url, body), status };
        this.writes.push(write);
        await this.#hooks.onWrite?.(write);
      }
      response.writeHead(status, answer.headers).end(Buffer.concat(chunks));
    } catch {
      response.destroy(); // whoever asked is gone, or is meant to be
    }
  }

  #stream(url: URL, answer: IncomingMessage, response: ServerResponse): void {
    this.#streams.add(answer);
    response.writeHead(200, answer.headers);
    response.flushHeaders();
    const stream: Stream = {
      path: url.pathname,
      send: (line) => {
        if (!response.writableEnded) response.write(`${JSON.stringify(line)}\n`);
      },
      cut: (line) => {
        const text = JSON.stringify(line);
        response.write(text.slice(0, text.length / 2), () => {
          answer.destroy();
          response.destroy();
        });
      },
      break: () => {
        answer.destroy();
        response.destroy();
      },
    };
    let rest = '';
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#line(JSON.parse(line) as WatchLine, stream);
    });
    const close = () => {
      this.#streams.delete(answer);
      response.end();
    };
    answer.on('end', close);
    answer.on('error', close);
    response.on('close', () => answer.destroy());
  }

  #line(line: WatchLine, stream: Stream): void {
    if (this.#hooks.onLine) this.#hooks.onLine(line, stream);
    else stream.send(line);
  }
}

/** Kind and name stand in the body of what is made or applied, and in the path of what is removed. */
function nameOf(method: string, url: URL, body: Buffer): string {
  const parts = url.pathname.split('/');
  const at = parts.indexOf('namespaces');
  const [plural = '', name = '', subresource] = parts.slice(at + 2);
  let made = name;
  if (method === 'POST')
    made = (JSON.parse(body.toString()) as { metadata?: { name?: string } }).metadata?.name ?? '';
  return `${method} ${plural}/${made}${subresource === undefined ? '' : `/${subresource}`}`;
}
