/**
 * What the API server does with one of our objects before it stores it: structure, defaults, CEL rules. Problems name
 * the field, the value, the rule and the fix.
 */
import {
  customResourceDefinitions,
  kinds,
  type LongPOServing,
  type LongPOTraining,
  longpoServing,
  longpoTraining,
} from '@longpo/api';
import type * as z from 'zod';
import { celProblems } from './cel.ts';
import { listKeyProblems } from './list-keys.ts';
import { nearest } from './suggestion.ts';

export interface Problem {
  field: string;
  message: string;
}

export type Admission = { object: LongPOTraining | LongPOServing } | { problems: Problem[] };

const schemas: Record<string, z.ZodType<LongPOTraining | LongPOServing>> = {
  [kinds.training.kind]: longpoTraining,
  [kinds.serving.kind]: longpoServing,
};

const crdSchemas = new Map(
  customResourceDefinitions().map(({ spec }) => [
    spec.names.kind,
    spec.versions[0]?.schema?.openAPIV3Schema ?? {},
  ]),
);

function fieldOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (field, key) =>
      typeof key === 'number' ? `${field}[${key}]` : field === '' ? String(key) : `${field}.${String(key)}`,
    '',
  );
}

function valueAt(object: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    object,
  );
}

/** Names that the CRD knows at a place, for a suggestion. */
function knownNames(kind: string, path: readonly PropertyKey[]): string[] {
  let schema = crdSchemas.get(kind) as { properties?: Record<string, object>; items?: object } | undefined;
  for (const key of path)
    schema = (typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)]) as typeof schema;
  return Object.keys(schema?.properties ?? {});
}

const shown = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

function explain(issue: z.core.$ZodIssue, object: unknown, kind: string): Problem[] {
  const value = shown(valueAt(object, issue.path));
  const field = fieldOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = knownNames(kind, issue.path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const fix = near ? `did you mean ${near}?` : `known here: ${known.join(', ')}`;
      return { field: fieldOf([...issue.path, key]), message: `unknown field; ${fix}` };
    });
  }
  if (valueAt(object, issue.path) === undefined) return [{ field, message: 'is required and missing' }];
  if (issue.code === 'invalid_value')
    return [{ field, message: `is ${value}; use one of ${issue.values.map(String).join(', ')}` }];
  if (issue.code === 'too_big')
    return [{ field, message: `is ${value}; at most ${issue.maximum} is allowed` }];
  if (issue.code === 'too_small')
    return [
      {
        field,
        message: `is ${value}; ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum} is needed`,
      },
    ];
  if (issue.code === 'invalid_type') return [{ field, message: `is ${value}; expected ${issue.expected}` }];
  return [{ field, message: `is ${value}; expected ${issue.message}` }];
}

/** `old` is the stored object that an update replaces: then the rules about changes hold too. */
export function admit(object: unknown, old?: LongPOTraining | LongPOServing): Admission {
  const { kind } = (object ?? {}) as { kind?: unknown };
  const schema = typeof kind === 'string' ? schemas[kind] : undefined;
  if (schema === undefined || typeof kind !== 'string')
    return {
      problems: [
        { field: 'kind', message: `is ${shown(kind)}; use one of ${Object.keys(schemas).join(', ')}` },
      ],
    };
  const parsed = schema.safeParse(object);
  if (!parsed.success)
    return { problems: parsed.error.issues.flatMap((issue) => explain(issue, object, kind)) };
  const crd = crdSchemas.get(kind) as object;
  const problems = [...listKeyProblems(crd, parsed.data), ...celProblems(crd, parsed.data, '', old)];
  return problems.length > 0 ? { problems } : { object: parsed.data };
}

/** One line a problem, for a terminal. */
export function formatProblems(file: string, problems: Problem[]): string {
  return problems.map(({ field, message }) => `${file}: ${field}: ${message}`).join('\n');
}
