/** JSON Schemas for property tests: everything that json-schema.ts says it obeys, nested, and never unsatisfiable. */
import fc from 'fast-check';

type Schema = Record<string, unknown>;

const names = fc.constantFrom('a', 'b', 'name', 'é"\\', 'with space', '日本', '');
const annotations = fc.record(
  { title: fc.string({ maxLength: 3 }), default: fc.jsonValue({ maxDepth: 1 }), format: fc.constant('uuid') },
  { requiredKeys: [] },
);
/** [min, max] or one of them alone, under these two names. */
const between = (low: string, high: string, most: number): fc.Arbitrary<Schema> =>
  fc
    .tuple(fc.nat(most), fc.nat(most), fc.constantFrom('both', 'low', 'high', 'none'))
    .map(([a, b, kind]) => ({
      ...(kind === 'both' || kind === 'low' ? { [low]: Math.min(a, b) } : {}),
      ...(kind === 'both' || kind === 'high' ? { [high]: Math.max(a, b) } : {}),
    }));

const integer = fc
  .record(
    {
      minimum: fc.integer({ min: -2000, max: 5 }),
      exclusiveMinimum: fc.integer({ min: -150, max: 5 }),
      maximum: fc.integer({ min: 8, max: 99_999 }),
      exclusiveMaximum: fc.constantFrom(8, 10, 100, 1001, 2 ** 53, 1e300),
    },
    { requiredKeys: [] },
  )
  .map((bounds) => ({ type: 'integer', ...bounds }));
const decimal = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.nat(4)).map(([digits, places]) => digits / 10 ** places);
const number = fc
  .record(
    {
      minimum: decimal(-5000, 5),
      exclusiveMinimum: decimal(-5000, 5),
      maximum: decimal(80_000, 99_999),
      exclusiveMaximum: decimal(80_000, 99_999),
    },
    { requiredKeys: [] },
  )
  .map((bounds) => ({ type: 'number', ...bounds }));
const string = between('minLength', 'maxLength', 6).map((bounds) => ({ type: 'string', ...bounds }));
const patterned = fc.oneof(
  fc
    .constantFrom('^[a-z]{2,4}$', '\\d', '^(?:a|b\\\\)*"$', '^\\w@\\w+\\.(com|org)$', '^[^a]$', '[é-日]?$')
    .map((pattern) => ({
      type: 'string',
      pattern,
    })),
  between('minLength', 'maxLength', 6).map((bounds) => ({ type: 'string', pattern: '^[^b]*$', ...bounds })),
);
const scalar = fc.oneof(
  integer,
  number,
  string,
  patterned,
  fc.constantFrom<Schema>({ type: 'boolean' }, { type: 'null' }, { type: ['string', 'null'], maxLength: 2 }),
  fc.constantFrom<Schema>({}, { $ref: '#/$defs/list' }, { type: 'object' }, { type: 'array' }),
  fc.array(fc.jsonValue({ maxDepth: 1 }), { minLength: 1, maxLength: 3 }).map((values) => ({ enum: values })),
  fc.jsonValue({ maxDepth: 2 }).map((value) => ({ const: value })),
);

function fixedObject(any: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> {
  const properties = fc.dictionary(names, any, { maxKeys: 4 });
  return fc
    .tuple(properties, fc.subarray(['a', 'b', 'other']), fc.boolean())
    .map(([listed, required, closed]) => {
      const left = closed ? required.filter((name) => name in listed) : required;
      return {
        type: 'object',
        properties: listed,
        required: left,
        ...(closed ? { additionalProperties: false } : {}),
      };
    });
}

const tuples = (any: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> =>
  fc
    .tuple(fc.array(any, { minLength: 1, maxLength: 3 }), fc.oneof(fc.constant(false), any), fc.nat(2))
    .map(([prefixItems, items, more]) => ({
      type: 'array',
      prefixItems,
      items,
      minItems: prefixItems.length + (items === false ? 0 : more),
    }));

const tagged = (first: Schema, second: Schema): Schema[] =>
  [first, second].map((of, i) => ({
    type: 'object',
    properties: { kind: { const: `kind ${i}` }, of },
    required: ['kind'],
  }));

const schema = fc.letrec<{ any: Schema }>((tie) => ({
  any: fc
    .tuple(
      fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        scalar,
        fixedObject(tie('any')),
        fc.tuple(tie('any'), fc.nat(3)).map(([of, max]) => ({
          type: 'object',
          additionalProperties: of,
          maxProperties: max,
        })),
        fc
          .tuple(tie('any'), between('minItems', 'maxItems', 3))
          .map(([items, bounds]) => ({ type: 'array', items, ...bounds })),
        tuples(tie('any')),
        fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
        fc.tuple(tie('any'), tie('any')).map(([first, second]) => ({ oneOf: tagged(first, second) })),
      ),
      annotations,
    )
    .map(([made, remarks]) => ({ ...remarks, ...made })),
})).any;

/** A list that refers to itself stands beside every schema. */
const list: Schema = {
  type: 'object',
  properties: { value: { type: 'boolean' }, next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/list' }] } },
  required: ['next'],
  additionalProperties: false,
};

export const schemas: fc.Arbitrary<Schema> = schema.map((made) => ({ ...made, $defs: { list } }));
