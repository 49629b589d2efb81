/** DNS over UDP and TCP on the address that pods' resolv.conf names. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type Answer, decodeQuestion, encodeAnswer, type Question, responseCodes } from './dns-message.ts';

export interface DnsServerOptions {
  address: string;
  port: number;
  answer(question: Question): Answer;
}

/** What a client without EDNS takes over UDP. */
const udpLimit = 512;
const tcpLimit = 0xffff;

const failed: Answer = { code: responseCodes.serverFailure, records: [] };

export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #udp = createSocket('udp4');
  readonly #tcp = createServer((socket) => this.#serve(socket));

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { address, port } = this.#options;
    this.#udp.on('message', (message, { address: from, port: fromPort }) => {
      const reply = this.#reply(message, udpLimit);
      if (reply) this.#udp.send(reply, fromPort, from);
    });
    this.#udp.bind(port, address);
    await once(this.#udp, 'listening');
    this.#tcp.listen(this.#udp.address().port, address);
    await once(this.#tcp, 'listening');
  }

  get port(): number {
    return this.#udp.address().port;
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }

  #reply(message: Buffer, limit: number): Buffer | undefined {
    const question = decodeQuestion(message);
    if (question === undefined) return undefined;
    let answer = failed;
    try {
      answer = this.#options.answer(question);
    } catch (error) {
      process.stderr.write(`${question.name}: ${error}\n`);
    }
    return encodeAnswer(question, answer, limit);
  }

  /** Each message has its length before it, two bytes. */
  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const reply = this.#reply(received.subarray(2, end), tcpLimit);
        received = received.subarray(end);
        if (reply === undefined) return socket.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      }
    });
  }
}
