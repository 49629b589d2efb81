import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from './index.ts';

type Schema = Record<string, unknown> & { properties?: Record<string, Schema>; items?: Schema };

const definitions = customResourceDefinitions();
const schemaOf = (definition: (typeof definitions)[number]) =>
  definition.spec.versions[0]?.schema?.openAPIV3Schema as Schema;

/** Every schema in a schema, with its field path. */
function* walk(schema: Schema, path = ''): Generator<[path: string, schema: Schema]> {
  yield [path, schema];
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* walk(property, path === '' ? name : `${path}.${name}`);
  if (schema.items) yield* walk(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === 'object')
    yield* walk(schema.additionalProperties as Schema, `${path}.*`);
}

const places = (has: (schema: Schema) => boolean) =>
  definitions.flatMap((definition) =>
    [...walk(schemaOf(definition))]
      .filter(([, schema]) => has(schema))
      .map(([path]) => `${definition.spec.names.kind} ${path}`),
  );

/** Keys of JSON Schema that the API server refuses in a structural schema, or that make kubectl explain useless. */
const forbidden = ['oneOf', 'anyOf', 'allOf', 'not', '$ref', '$schema', 'definitions', 'const'];

describe('the generated CRDs', () => {
  it('are structural: every place has one type and no alternatives', () => {
    expect(places((schema) => typeof schema.type !== 'string')).toEqual([]);
    expect(places((schema) => schema.additionalProperties === false)).toEqual([]);
    expect(places((schema) => forbidden.some((key) => key in schema))).toEqual([]);
    expect(places((schema) => typeof schema.exclusiveMinimum === 'number')).toEqual([]);
  });

  it('bound every list that a rule walks, or the API server refuses the rule as too costly', () => {
    const walked = places((schema) => schema.type === 'array' && 'x-kubernetes-validations' in schema);
    expect(walked).toEqual(['LongPOTraining spec.stages']);
    expect(
      places((schema) => walked.length > 0 && schema.type === 'array' && !('maxItems' in schema)),
    ).toEqual([]);
  });

  it('describe every object that a user writes, or what it lies in', () => {
    const bare: string[] = [];
    const check = (schema: Schema, path: string, isDescribed: boolean) => {
      const described = isDescribed || typeof schema.description === 'string';
      if (!described && !schema.properties && !schema.items) bare.push(path);
      for (const [name, property] of Object.entries(schema.properties ?? {}))
        check(property, `${path}.${name}`, described);
      if (schema.items) check(schema.items, `${path}[]`, described);
    };
    for (const definition of definitions)
      check(schemaOf(definition).properties?.spec ?? {}, definition.spec.names.kind, false);
    expect(bare).toEqual([]);
  });

  it('require nothing that has a default', () => {
    const wrong = places((schema) => {
      const required = (schema.required as string[] | undefined) ?? [];
      return required.some((name) => schema.properties?.[name]?.default !== undefined);
    });
    expect(wrong).toEqual([]);
  });

  it('carry names, columns and subresources', () => {
    const facts = definitions.map(({ metadata, spec }) => ({
      name: metadata?.name,
      shortNames: spec.names.shortNames,
      columns: spec.versions[0]?.additionalPrinterColumns?.map(({ name }) => name),
      subresources: spec.versions[0]?.subresources,
    }));
    expect(facts).toEqual([
      {
        name: 'longpotrainings.longpo.dev',
        shortNames: ['lpt'],
        columns: ['State', 'Stage', 'Progress', 'GPUs', 'Reason', 'GPU-seconds', 'URL', 'Age'],
        subresources: { status: {} },
      },
      {
        name: 'longposervings.longpo.dev',
        shortNames: ['lps'],
        columns: ['Ready', 'Engine', 'Desired', 'Available', 'URL', 'Age'],
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
      },
    ]);
  });

  it('are what manifests/crds and trainer/contract hold', () => {
    const script = join(import.meta.dirname, '..', 'scripts', 'generate.ts');
    expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('');
  });
});
