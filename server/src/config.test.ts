import { describe, expect, it } from 'vitest';
import { readConfig, terminationLogOf } from './config.ts';

const config = {
  model: 'models/tiny',
  servedModelName: 'tiny',
  quantization: 'none',
  maxModelLen: null,
  ropeTheta: null,
  cache: 'cache',
  parallelSequences: 2,
};
const env = (values: Record<string, string> = {}, changes: object = {}) => ({
  LONGPO_CONFIG: JSON.stringify({ ...config, ...changes }),
  ...values,
});

describe('readConfig', () => {
  it('puts relative paths below the volume root and leaves absolute ones', () => {
    const values = { LONGPO_VOLUME_ROOT: '/volume', LONGPO_LISTEN: '[::1]:9000' };
    expect(readConfig(env(values, { cache: '/elsewhere' }))).toEqual({
      config: { ...config, model: '/volume/models/tiny', cache: '/elsewhere' },
      host: '::1',
      port: 9000,
    });
  });

  it("listens on the pod contract's port of all interfaces unless told otherwise", () => {
    expect(readConfig(env())).toMatchObject({ host: '0.0.0.0', port: 8000 });
  });

  it.each([
    [{}, 'LONGPO_CONFIG is not set: it takes the config of the serve role, one JSON object'],
    [
      { LONGPO_CONFIG: '{' },
      "LONGPO_CONFIG is not JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
    ],
    [
      env({}, { quantization: 'int3' }),
      'LONGPO_CONFIG, quantization: Invalid option: expected one of "int4"|"int8"|"none"',
    ],
    [env({}, { extra: 1 }), 'LONGPO_CONFIG, the object: Unrecognized key: "extra"'],
    [
      env({ LONGPO_LISTEN: '8000' }),
      'LONGPO_LISTEN is "8000": it must be host:port, for instance 0.0.0.0:8000',
    ],
    [
      env({ LONGPO_LISTEN: 'localhost:70000' }),
      'LONGPO_LISTEN is "localhost:70000": it must be host:port, for instance 0.0.0.0:8000',
    ],
  ])('names the variable, the field and the rule for %j', (values, message) => {
    expect(() => readConfig(values)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }));
  });
});

it('the termination log is optional', () => {
  expect([terminationLogOf({}), terminationLogOf({ LONGPO_TERMINATION_LOG: '/dev/x' })]).toEqual([
    undefined,
    '/dev/x',
  ]);
});
