/** Prefill and decode of one sequence, beside llama.cpp; at 8K also beside transformers.js and stock onnxruntime-node. */
import { spread } from '../median.ts';
import { engineSide, javaScriptSides, llamaCppSide, quantizations, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Length, Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { print } from './report.ts';
import { inTurn, ratio, type Side, type SideCommand, withSides } from './side.ts';

export interface SpeedInputs {
  readonly contests: readonly Contest[];
  readonly cache: string;
  /** A folder for transformers.js, of the first contest's model; made only where it is asked. */
  readonly onnxFolder: () => string;
  readonly plan: Plan;
  readonly prefill: boolean;
  readonly decode: boolean;
}

interface Speeds {
  readonly names: readonly string[];
  readonly prefill: readonly number[][];
  readonly decode: readonly number[][];
}

export async function benchSpeeds(inputs: SpeedInputs): Promise<void> {
  const { contests, plan } = inputs;
  const rows: string[][] = [];
  for (const contest of contests) {
    for (const length of plan.lengths) {
      const speeds = await withSides(commandsFor(inputs, contest, length), (sides) =>
        measure(sides, length, inputs),
      );
      rows.push(...rowsOf(contest.name, length, speeds, inputs));
    }
  }
  const heads = [
    'model',
    'context',
    'side',
    ...(inputs.prefill ? ['prefill', 'x llama.cpp'] : []),
    ...(inputs.decode ? ['decode', 'longpo is x faster'] : []),
  ];
  print(`One sequence, ${threads} threads, tokens/s as median (min to max) of the rounds`, heads, rows);
}

/** Ours and llama.cpp's, pair by pair of the same width; then whoever else decodes. */
function commandsFor(inputs: SpeedInputs, contest: Contest, { tokens }: Length): SideCommand[] {
  const { cache, plan, decode, contests } = inputs;
  const room = { tokens: tokens + plan.answer * (plan.decodeRounds + 2) + 64, sequences: 1 };
  const pairs = quantizations.flatMap((quantization) => [
    engineSide({ directory: contest.folder, quantization, cache }, room),
    llamaCppSide(contest, quantization, room),
  ]);
  const further = decode && contest === contests[0] && tokens === plan.javaScriptAt;
  return further ? [...pairs, ...javaScriptSides(inputs.onnxFolder())] : pairs;
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
  // Those who only decode read a prompt once.
  const comparable = sides.slice(0, 2 * quantizations.length);
  const speeds = prefill ? await inTurn(comparable, length, read) : [];
  const unread = prefill ? sides.slice(comparable.length) : sides;
  if (decode) await inTurn(unread, { rounds: 1, warmUps: 0 }, read);
  return {
    names: sides.map(({ name }) => name),
    prefill: speeds,
    decode: decode ? await inTurn(sides, { rounds: plan.decodeRounds, warmUps: 1 }, draw) : [],
  };
}

function rowsOf(model: string, { tokens }: Length, speeds: Speeds, { prefill, decode }: SpeedInputs) {
  const figures = (values: number[] | undefined) => (values === undefined ? '' : spread(values));
  return speeds.names.map((name, index) => {
    const isPair = index < 2 * quantizations.length;
    const isOurs = isPair && index % 2 === 0;
    // Whoever stands outside the pairs is compared with our 4 bits, which are his.
    const own = isPair ? index - 1 : 0;
    const peerOfOurs = ratio(speeds.prefill[index], speeds.prefill[index + 1]);
    return [
      model,
      String(tokens),
      name,
      ...(prefill ? [figures(speeds.prefill[index]), isOurs ? peerOfOurs : ''] : []),
      ...(decode
        ? [figures(speeds.decode[index]), isOurs ? '' : ratio(speeds.decode[own], speeds.decode[index])]
        : []),
    ];
  });
}
