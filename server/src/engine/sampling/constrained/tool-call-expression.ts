/** Calls of functions as an expression: nothing else, or in free text, where a call that begins must be right. */
import type { ToolCallGrammar } from '../grammar.ts';
import { complement } from './character-ranges.ts';
import { choice, type Expression, Rules, repeat, sequence, set, text } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { JsonSchemaGrammar } from './json-schema.ts';

export function callExpression(grammar: ToolCallGrammar): Expression {
  const { open, separator, close, parallel, required } = grammar;
  const rules = new Rules();
  const call = choice(...grammar.tools.map((tool) => oneCall(grammar, tool, rules)));
  if (required) {
    const more = parallel ? repeat(sequence(text(separator), wrapped(grammar, call)), 0, null) : text('');
    return sequence(text(open), wrapped(grammar, call), more, text(close));
  }
  if (grammar.begin !== '') {
    // Any marker counts, also with other white space behind it than the format has.
    const marker = grammar.begin.trim();
    const rest = sequence(text(grammar.begin.slice(marker.length)), call, text(grammar.end));
    return freeText(marker, rest, parallel ? undefined : text(''));
  }
  // Formats whose calls have no marker of their own are recognised by how the first call begins; nothing follows it.
  return freeText(
    `${open}{"name":`,
    sequence(text(' '), withoutStart(grammar, rules), text(close)),
    text(''),
  );
}

const wrapped = (grammar: ToolCallGrammar, call: Expression): Expression =>
  sequence(text(grammar.begin), call, text(grammar.end));

function oneCall(grammar: ToolCallGrammar, tool: ToolCallGrammar['tools'][number], rules: Rules): Expression {
  return sequence(text('{"name": '), named(grammar, tool, rules));
}

const withoutStart = (grammar: ToolCallGrammar, rules: Rules): Expression =>
  choice(...grammar.tools.map((tool) => named(grammar, tool, rules)));

function named(
  { argumentsKey, tools }: ToolCallGrammar,
  tool: ToolCallGrammar['tools'][number],
  rules: Rules,
): Expression {
  const prefix = `tool ${tools.indexOf(tool)}`;
  return sequence(
    text(`${JSON.stringify(tool.name)}, "${argumentsKey}": `),
    argumentsOf(tool.name, tool.parameters, rules, prefix),
    text('}'),
  );
}

/** Arguments are an object, whatever the schema says. */
function argumentsOf(name: string, parameters: unknown, rules: Rules, prefix: string): Expression {
  const isPlain = typeof parameters === 'object' && parameters !== null && !('$ref' in parameters);
  const schema = isPlain ? { ...parameters, type: 'object' } : parameters;
  try {
    return new JsonSchemaGrammar(schema, rules, prefix).expression();
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new GrammarError(`parameters of ${name}: ${error.message}`);
  }
}

/**
 * Text in which `start` is followed by `rest`, and that by `after` or by more such text. State k has just read the
 * first k characters of `start`, as in the search of Knuth, Morris and Pratt.
 */
function freeText(start: string, rest: Expression, after: Expression | undefined): Expression {
  const rules = new Rules();
  const alphabet = [...new Set(start)];
  const others: Expression = {
    kind: 'set',
    ranges: complement(alphabet.map((c) => [c.codePointAt(0) ?? 0, c.codePointAt(0) ?? 0])),
  };
  const state = (k: number): Expression => {
    if (k === start.length) return sequence(rest, after ?? state(0));
    return rules.rule(`${k}`, () => {
      const known = alphabet.map((c) => sequence(set(c), state(overlap(start.slice(0, k) + c, start))));
      return choice(text(''), sequence(others, state(0)), ...known);
    });
  };
  return state(0);
}

/** Length of the longest end of a text that is a beginning of another. */
function overlap(end: string, start: string): number {
  let length = Math.min(end.length, start.length);
  while (!start.startsWith(end.slice(end.length - length))) length--;
  return length;
}
