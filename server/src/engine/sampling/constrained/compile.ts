/** The expression of each kind of grammar. */
import type { Grammar } from '../grammar.ts';
import { type Expression, endingParts, Rules } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { JsonSchemaGrammar } from './json-schema.ts';
import { regexExpression } from './regex.ts';
import { callExpression } from './tool-call-expression.ts';

/** Throws a GrammarError. */
export function expressionOf(grammar: Grammar): Expression {
  switch (grammar.type) {
    case 'json_object':
      return new JsonSchemaGrammar({ type: 'object' }, new Rules()).expression();
    case 'json_schema':
      return new JsonSchemaGrammar(grammar.schema, new Rules()).expression();
    case 'tool_calls':
      return callExpression(grammar);
    case 'regex':
      return wholeText(grammar.pattern);
  }
}

function wholeText(pattern: string): Expression {
  const expression = regexExpression(pattern, 'ends');
  if (!endingParts(expression).has(expression)) throw new GrammarError(`no text matches ${pattern}`);
  return expression;
}
