/** One side of a comparison: a Python process that computes one round for each line it is given (rounds.py). */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Round {
  /** Wall seconds of each part. */
  seconds: Record<string, number>;
  cpuSeconds: number;
  /** Highest resident set of the process so far. */
  peakBytes: number;
  exchangeSeconds?: number;
  sentBytes?: number;
}

export interface SideOptions {
  name: string;
  python: string;
  script: string;
  args: string[];
}

export class Side {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #errors = '';

  private constructor({ name, python, script, args }: SideOptions) {
    this.name = name;
    this.#process = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-3000);
    });
    const { stdout } = this.#process;
    if (stdout === null) throw new Error(`${name}: its output is not a pipe`);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Ready to compute; what it tells of itself comes with it. */
  static async start(options: SideOptions): Promise<{ side: Side; facts: Record<string, unknown> }> {
    const side = new Side(options);
    return { side, facts: (await side.#answer()) as Record<string, unknown> };
  }

  async run(): Promise<Round> {
    this.#process.stdin?.write('\n');
    return (await this.#answer()) as Round;
  }

  async stop(): Promise<void> {
    const ended =
      this.#process.exitCode !== null || new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin?.end();
    await ended;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`${this.name} ended:\n${this.#errors}`);
    return JSON.parse(value);
  }
}

/** Rounds of every side, in turn, after one that only warms up. */
export async function alternate(sides: SideOptions[], rounds: number): Promise<Measured[]> {
  const started = [];
  for (const options of sides) started.push(await Side.start(options));
  const measured: Measured[] = started.map(({ side, facts }) => ({ name: side.name, facts, rounds: [] }));
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { side }] of started.entries()) {
      const result = await side.run();
      if (round > 0) measured[index]?.rounds.push(result);
    }
  }
  await Promise.all(started.map(({ side }) => side.stop()));
  return measured;
}

export interface Measured {
  name: string;
  facts: Record<string, unknown>;
  rounds: Round[];
}

export const wallSeconds = ({ seconds }: Round): number =>
  Object.values(seconds).reduce((sum, part) => sum + part, 0);

/** One number a round: what `value` is on `other`, in multiples of what it is on `own`. */
export const ratios = (own: Measured, other: Measured, value: (round: Round) => number): number[] =>
  own.rounds.map((round, index) => {
    const theirs = other.rounds[index];
    return theirs === undefined ? Number.NaN : value(theirs) / value(round);
  });

export const peakBytes = ({ rounds }: Measured): number =>
  Math.max(...rounds.map((round) => round.peakBytes));
