/** Fixture: what an answer under a schema is held to, by Ajv. */
import { isDeepStrictEqual } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** As JSON has them: without prototypes, and with one zero. */
const isSame = (one: unknown, other: unknown): boolean =>
  isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));

/** Ajv's own comparison for `const` and `enum` fails on objects with a key like valueOf, whose value it calls. */
export function schemaValidator(schema: object) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.removeKeyword('const').removeKeyword('enum');
  ajv.addKeyword({ keyword: 'const', validate: isSame });
  ajv.addKeyword({
    keyword: 'enum',
    validate: (allowed: unknown[], value: unknown) => allowed.some((one) => isSame(one, value)),
  });
  return ajv.compile(schema);
}
