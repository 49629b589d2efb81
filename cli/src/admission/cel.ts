/** The CEL rules of a generated schema, evaluated without an API server: same strings, same messages. */
import { Environment } from '@marcbachmann/cel-js';

export interface CelProblem {
  field: string;
  message: string;
}

interface Rule {
  rule: string;
  message: string;
  fieldPath?: string;
}

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  'x-kubernetes-validations'?: Rule[];
}

/** Kubernetes' list library, as far as our rules use it. */
const environment = new Environment({ unlistedVariablesAreDyn: true }).registerFunction(
  'list.isSorted(): bool',
  (list: (number | string)[]) => list.every((value, i) => i === 0 || (list[i - 1] ?? value) <= value),
);

/** Transition rules are of updates only: there must be an old value to compare with. */
const isTransition = ({ rule }: Rule) => /\boldSelf\b/.test(rule);

/** Problems of the value and of everything in it, in the order of the schema; `old` is what an update replaces. */
export function celProblems(schema: Schema, value: unknown, field = '', old?: unknown): CelProblem[] {
  if (value === undefined || value === null) return [];
  const own = (schema['x-kubernetes-validations'] ?? [])
    .filter((rule) => !isTransition(rule) || old !== undefined)
    .filter(({ rule }) => environment.evaluate(rule, { self: value, oldSelf: old }) !== true)
    .map(({ message, fieldPath = '' }) => ({ field: (field + fieldPath).replace(/^\./, ''), message }));
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    celProblems(property, (value as Record<string, unknown>)[name], field === '' ? name : `${field}.${name}`),
  );
  const items = Array.isArray(value) && schema.items ? schema.items : undefined;
  const elements = items
    ? (value as unknown[]).flatMap((item, i) => celProblems(items, item, `${field}[${i}]`))
    : [];
  return [...own, ...inner, ...elements];
}
