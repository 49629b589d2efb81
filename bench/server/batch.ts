/** Several decodes at once: tokens/s of all of them, beside llama.cpp with as many sequences and our one decode. */
import { spread } from '../median.ts';
import { engineSide, llamaCppSide, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { print } from './report.ts';
import { inTurn, ratio, type Side, withSides } from './side.ts';

export async function benchBatch(contest: Contest, cache: string, plan: Plan): Promise<void> {
  const { sequences, prompt } = plan.batch;
  const room = { tokens: prompt + plan.answer * (plan.decodeRounds + 2) * 2 + 64, sequences };
  const rows: string[][] = [];
  for (const quantization of plan.widths) {
    const commands = [
      engineSide({ directory: contest.folder, quantization, cache }, room),
      llamaCppSide(contest, quantization, room),
    ];
    const [own, alone, peer] = await withSides(commands, (sides) => measure(sides, plan));
    rows.push(
      [`longpo ${quantization}`, String(sequences), spread(own), ''],
      [`longpo ${quantization}`, '1', spread(alone), ratio(own, alone)],
      [commands[1]?.name ?? '', String(sequences), spread(peer), ratio(own, peer)],
    );
  }
  print(
    `Decodes at once after ${prompt} tokens each, ${contest.name}, ${threads} threads, tokens/s of all`,
    ['side', 'at once', 'tokens/s', `our ${sequences} / it`],
    rows,
  );
}

async function measure(sides: readonly Side[], plan: Plan): Promise<[number[], number[], number[]]> {
  const { sequences, prompt } = plan.batch;
  for (const side of sides) {
    for (let sequence = 0; sequence < sequences; sequence++)
      await side.ask({ prefill: randomPrompt(prompt, sequence + 1), sequence });
  }
  const [own, peer] = sides;
  const turns = [
    { side: own, at: sequences },
    { side: own, at: 1 },
    { side: peer, at: sequences },
  ];
  const [together = [], alone = [], theirs = []] = await inTurn(
    turns,
    { rounds: plan.decodeRounds, warmUps: 1 },
    async ({ side, at }) => {
      const answer = await side?.ask({ decode: plan.answer, sequences: at });
      return answer === undefined ? Number.NaN : answer.tokens / answer.seconds;
    },
  );
  return [together, alone, theirs];
}
