/** A document of 512K tokens on a narrow model with int8 keys and values: resident memory beside what the formula says. */
import { engineSide, threads } from './contenders.ts';
import { longShape } from './models.ts';
import type { Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { mebibytes, print } from './report.ts';
import { withSides } from './side.ts';

/** One byte each for keys and values. */
const bytesPerToken = 2 * longShape.num_hidden_layers * longShape.num_key_value_heads * longShape.head_dim;

export async function benchLong(directory: string, cache: string, { longMarks }: Plan): Promise<void> {
  const whole = randomPrompt(longMarks.at(-1) ?? 0, 1);
  const room = { tokens: whole.length + 64, sequences: 1 };
  const command = engineSide({ directory, quantization: 'int8', cache, kvType: 'int8' }, room);
  const collecting = { ...command, args: ['--expose-gc', ...command.args] };
  const rows: string[][] = [];
  await withSides([collecting], async ([side]) => {
    let base: { tokens: number; residentBytes: number } | undefined;
    for (const tokens of longMarks) {
      // Each begins with the one before it, whose keys and values are kept.
      const answer = await side?.ask({ prefill: whole.slice(0, tokens), sequence: 0 });
      if (answer === undefined) throw new Error('no side to ask');
      const { seconds, residentBytes } = answer;
      base ??= { tokens, residentBytes };
      rows.push([
        String(tokens),
        seconds.toFixed(1),
        mebibytes(residentBytes),
        mebibytes(residentBytes - base.residentBytes),
        mebibytes((tokens - base.tokens) * bytesPerToken),
      ]);
      // So far: the last mark takes longer than all before it.
      printRows(rows);
    }
  });
}

function printRows(rows: string[][]): void {
  const { num_hidden_layers: layers, num_key_value_heads: heads } = longShape;
  print(
    `One document, layers x heads: ${layers} x ${heads}, int8 weights, keys and values, ${threads} threads: MiB`,
    [
      'tokens',
      's to first token since the row above',
      'resident',
      'more than in the first row',
      'by the formula',
    ],
    rows,
  );
}
