/** Prefill and decode of one sequence, beside llama.cpp; at 8K also beside transformers.js and stock onnxruntime-node. */
import { spread } from '../median.ts';
import { type Contender, javaScriptSides, pairs, ratiosToOwn, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Length, Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { print } from './report.ts';
import { inTurn, type Side, withSides } from './side.ts';

export interface SpeedInputs {
  readonly contests: readonly Contest[];
  readonly cache: string;
  /** The one that transformers.js and onnxruntime-node have too, and its folder for them, made only where it is asked. */
  readonly javaScript: { readonly contest: Contest; readonly onnxFolder: () => string };
  readonly plan: Plan;
  readonly prefill: boolean;
  readonly decode: boolean;
}

/** Prints a table as soon as it is measured: all of them take hours. */
export async function benchSpeeds(inputs: SpeedInputs): Promise<void> {
  for (const contest of inputs.contests) {
    for (const length of inputs.plan.lengths) {
      const contenders = contendersAt(inputs, contest, length);
      const commands = contenders.map(({ command }) => command);
      await withSides(commands, (sides) => measure({ contest, length, contenders, sides }, inputs));
    }
  }
}

function contendersAt(inputs: SpeedInputs, contest: Contest, { tokens }: Length): Contender[] {
  const { cache, plan, decode, javaScript } = inputs;
  const room = { tokens: tokens + plan.answer * (plan.decodeRounds + 2) + 64, sequences: 1 };
  // Their weights have 4 bits.
  const isComparable = plan.widths.includes('int4') && contest === javaScript.contest;
  const further = decode && isComparable && tokens === plan.javaScriptAt;
  return [
    ...pairs(contest, cache, room, plan.widths),
    ...(further ? javaScriptSides(javaScript.onnxFolder()) : []),
  ];
}

interface Meeting {
  readonly contest: Contest;
  readonly length: Length;
  readonly contenders: readonly Contender[];
  readonly sides: readonly Side[];
}

async function measure(meeting: Meeting, { plan, prefill, decode }: SpeedInputs): Promise<void> {
  const { length, sides } = meeting;
  const read = async (side: Side, round: number) => {
    const ids = randomPrompt(length.tokens, round + 10);
    const { seconds, tokens } = await side.ask({ prefill: ids, sequence: 0 });
    return tokens / seconds;
  };
  const draw = async (side: Side) => {
    const { seconds, tokens } = await side.ask({ decode: plan.answer, sequences: 1 });
    return tokens / seconds;
  };
  // Further ones stand last. They only decode, for which they read a prompt once.
  const compared = prefill ? sides.slice(0, 2 * plan.widths.length) : [];
  if (prefill) printSpeeds('prefill', meeting, await inTurn(compared, length, read));
  if (!decode) return;
  await inTurn(sides.slice(compared.length), { rounds: 1, warmUps: 0 }, read);
  printSpeeds('decode', meeting, await inTurn(sides, { rounds: plan.decodeRounds, warmUps: 1 }, draw));
}

/** `figures` are the tokens/s of each contender's rounds; the last ones may have none. */
function printSpeeds(what: string, { contest, length, contenders }: Meeting, figures: number[][]): void {
  const shown = contenders.slice(0, figures.length).map(({ command, own }) => ({ name: command.name, own }));
  const ratios = ratiosToOwn(shown, figures);
  print(
    `${contest.name}, ${what} of one sequence at ${length.tokens} tokens, ${threads} threads`,
    ['side', 'tokens/s, median (min to max) of the rounds', 'longpo / it'],
    shown.map(({ name }, index) => [name, spread(figures[index] ?? []), ratios[index] ?? '']),
  );
}
