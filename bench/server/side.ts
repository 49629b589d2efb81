/** Sides of a comparison: processes that are asked in turn (side-process.ts), one at a time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { spread } from '../median.ts';
import type { Answer, Question } from './side-process.ts';

export interface SideCommand {
  readonly name: string;
  /** Of node: the script, then what it is given. */
  readonly args: readonly string[];
  readonly cwd?: string;
}

export class Side {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor({ name, args, cwd }: SideCommand) {
    this.name = name;
    const child = spawn(process.execPath, [...args], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when the model is loaded. */
  static async start(command: SideCommand): Promise<Side> {
    const side = new Side(command);
    await side.#line();
    return side;
  }

  async ask(question: Question): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    return JSON.parse(await this.#line()) as Answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.end();
    await ended;
  }

  /** What a library prints on its own is no answer. */
  async #line(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`${this.name} ended before it answered`);
      if (value.startsWith('{')) return value;
    }
  }
}

/** The sides of `commands` for as long as `use` runs. */
export async function withSides<T>(
  commands: readonly SideCommand[],
  use: (sides: readonly Side[]) => Promise<T>,
): Promise<T> {
  const sides: Side[] = [];
  try {
    for (const command of commands) sides.push(await Side.start(command));
    return await use(sides);
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

/** Figures of each contender, one a round, after so many rounds that only warm up. In each round all take turns. */
export async function inTurn<T>(
  contenders: readonly T[],
  { rounds, warmUps }: { rounds: number; warmUps: number },
  measure: (contender: T, round: number) => Promise<number>,
): Promise<number[][]> {
  const figures: number[][] = contenders.map(() => []);
  for (let round = -warmUps; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const figure = await measure(contender, round);
      if (round >= 0) figures[index]?.push(figure);
    }
  }
  return figures;
}

/** `own` in multiples of `other`, round by round: neighbours in time saw the same machine. */
export function ratio(own: readonly number[] = [], other: readonly number[] = []): string {
  const ratios = other.map((figure, round) => (own[round] ?? Number.NaN) / figure);
  return ratios.length === 0 ? '' : spread(ratios, 2);
}
