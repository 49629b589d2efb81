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

/** Tokens/s of every round; a row for each contender, none where it was not asked. */
interface Speeds {
  readonly prefill: readonly number[][];
  readonly decode: readonly number[][];
}

/** Prints a table for each model and length as soon as it is measured: all of them take hours. */
export async function benchSpeeds(inputs: SpeedInputs): Promise<void> {
  const { contests, plan, prefill, decode } = inputs;
  const heads = ['side', 'prefill', 'longpo / it', 'decode', 'longpo / it'];
  const isShown = (column: number) => column < 1 || (column < 3 ? prefill : decode);
  for (const contest of contests) {
    for (const length of plan.lengths) {
      const contenders = contendersAt(inputs, contest, length);
      const speeds = await withSides(
        contenders.map(({ command }) => command),
        (sides) => measure(sides, length, inputs),
      );
      print(
        `${contest.name}, one sequence of ${length.tokens} tokens, ${threads} threads, tokens/s as median (min to max) of the rounds`,
        heads.filter((_, column) => isShown(column)),
        rowsOf(contenders, speeds).map((row) => row.filter((_, column) => isShown(column))),
      );
    }
  }
}

function contendersAt(inputs: SpeedInputs, contest: Contest, { tokens }: Length): Contender[] {
  const { cache, plan, decode, javaScript } = inputs;
  const room = { tokens: tokens + plan.answer * (plan.decodeRounds + 2) + 64, sequences: 1 };
  const further = decode && contest === javaScript.contest && tokens === plan.javaScriptAt;
  return [
    ...pairs(contest, cache, room, plan.widths),
    ...(further ? javaScriptSides(javaScript.onnxFolder()) : []),
  ];
}

async function measure(
  sides: readonly Side[],
  length: Length,
  { plan, prefill, decode }: SpeedInputs,
): Promise<Speeds> {
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
  const speeds = await inTurn(compared, length, read);
  if (!decode) return { prefill: speeds, decode: [] };
  await inTurn(sides.slice(compared.length), { rounds: 1, warmUps: 0 }, read);
  return { prefill: speeds, decode: await inTurn(sides, { rounds: plan.decodeRounds, warmUps: 1 }, draw) };
}

function rowsOf(contenders: readonly Contender[], { prefill, decode }: Speeds): string[][] {
  const named = contenders.map(({ command, own }) => ({ name: command.name, own }));
  const columns = [prefill, decode].flatMap((figures) => {
    const texts = named.map((_, index) => (figures[index] === undefined ? '' : spread(figures[index])));
    return [texts, ratiosToOwn(named, figures)];
  });
  return named.map(({ name }, index) => [name, ...columns.map((column) => column[index] ?? '')]);
}
