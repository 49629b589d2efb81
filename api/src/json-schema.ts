/** zod to JSON Schema, in the two dialects that we publish: structural schemas for CRDs, draft-07 for Python. */
import * as z from 'zod';

type JsonSchema = Record<string, unknown>;

const int53 = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

/** z.int() adds the bounds of a double's integers: true, but noise to a reader of a CRD. */
function dropInt53Bounds(schema: JsonSchema): void {
  if (schema.minimum === int53.minimum) delete schema.minimum;
  if (schema.maximum === int53.maximum) delete schema.maximum;
}

/**
 * A structural schema of a custom resource. Input side, since a field with a default is not required;
 * `additionalProperties: false` goes, the API server refuses it beside `properties` and prunes unknown fields anyway.
 */
export function structuralSchema(type: z.ZodType): JsonSchema {
  return z.toJSONSchema(type, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ jsonSchema }) => {
      const schema = jsonSchema as JsonSchema;
      dropInt53Bounds(schema);
      if (schema.additionalProperties === false) delete schema.additionalProperties;
    },
  }) as JsonSchema;
}

/** What Python validates with: the input side too, so that a writer may leave defaults out and a reader fills them. */
export function contractSchema(type: z.ZodType): JsonSchema {
  return z.toJSONSchema(type, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema }) => dropInt53Bounds(jsonSchema as JsonSchema),
  }) as JsonSchema;
}
