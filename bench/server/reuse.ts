/** The second question on a long document beside the first: what the kept prefix saves. */
import { spread } from '../median.ts';
import { engineSide, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { print } from './report.ts';
import { ratio, withSides } from './side.ts';

const questionTokens = 32;
const rounds = (plan: Plan) => (plan.isQuick ? 1 : 3);

export async function benchReuse(contest: Contest, cache: string, plan: Plan): Promise<void> {
  const room = { tokens: plan.document + questionTokens + 16, sequences: 1 };
  const command = engineSide({ directory: contest.folder, quantization: 'int4', cache }, room);
  const first: number[] = [];
  const second: number[] = [];
  await withSides([command], async ([side]) => {
    for (let round = 0; round < rounds(plan); round++) {
      const document = randomPrompt(plan.document, round + 1);
      for (const [question, seconds] of [first, second].entries()) {
        const ids = [...document, ...randomPrompt(questionTokens, 100 + question)];
        const answer = await side?.ask({ prefill: ids, sequence: 0 });
        seconds.push(answer?.seconds ?? Number.NaN);
      }
    }
  });
  print(
    `Two questions of ${questionTokens} tokens on a document of ${plan.document}, ${contest.name} int4, ${threads} threads`,
    ['question', 'seconds to first token', 'first takes x as long'],
    [
      ['first', spread(first, 3), ''],
      ['second', spread(second, 3), ratio(first, second)],
    ],
  );
}
