/** What HTTP adds to a token: one stream from longpo-serve beside the engine alone, each in a process of its own. */
import { spread } from '../median.ts';
import { engineSide, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Plan } from './plan.ts';
import { print } from './report.ts';
import { startServerProcess, streamAnswer } from './server-process.ts';
import { inTurn, ratio, type Side, withSides } from './side.ts';

export async function benchHttp(
  contest: Contest,
  cache: string,
  plan: Plan,
  prompt: number[],
): Promise<void> {
  const answer = 2 * plan.answer;
  const room = { tokens: 2048, sequences: 1 };
  const command = engineSide({ directory: contest.folder, quantization: 'int4', cache }, room);
  const server = await startServerProcess(contest.folder, cache);
  const streamOne = async () => {
    const { decodeSeconds } = await streamAnswer(server.url, prompt, answer + 1);
    return (1000 * decodeSeconds) / answer;
  };
  try {
    const figures = await withSides([command], ([side]) =>
      inTurn(
        [streamOne, () => alone(side, prompt, answer)],
        { rounds: 2 * plan.decodeRounds, warmUps: 1 },
        (milliseconds) => milliseconds(),
      ),
    );
    const [streamed = [], engine = []] = figures;
    print(
      `One token, ${contest.name} int4, after ${prompt.length} tokens, ${threads} threads`,
      ['side', 'ms a token', 'x the engine alone'],
      [
        ['over HTTP, streamed', spread(streamed, 2), ratio(streamed, engine)],
        ['engine alone', spread(engine, 2), ''],
      ],
    );
  } finally {
    await server.stop();
  }
}

async function alone(side: Side | undefined, prompt: number[], answer: number): Promise<number> {
  await side?.ask({ prefill: prompt, sequence: 0 });
  const { seconds = Number.NaN, tokens = 1 } = (await side?.ask({ decode: answer, sequences: 1 })) ?? {};
  return (1000 * seconds) / tokens;
}
