import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

const given = {
  training: 'demo',
  stage: 'one',
  attempt: 1,
  servedModelName: 'demo-one-gen',
  tokenizer: 'models/base',
  documents: '/elsewhere/documents',
  contextLength: 1024,
  directory: 'demo/one/data',
  seed: 42,
};
const env = (config: unknown = given, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  LONGPO_CONFIG: JSON.stringify(config),
  LONGPO_ENDPOINT: 'http://server:8000/v1',
  LONGPO_VOLUME_ROOT: '/longpo',
  ...more,
});

describe('the config of a pod', () => {
  it('has its paths below the volume, and defaults', () => {
    const { config, ...pod } = readConfig(
      env(given, {
        LONGPO_REPORT_URL: 'http://controller/report',
        LONGPO_TOKEN_FILE: '/token',
        LONGPO_TERMINATION_LOG: '/dev/termination-log',
        OPENAI_API_KEY: 'secret',
      }),
    );
    expect(pod).toEqual({
      endpoint: 'http://server:8000/v1',
      apiKey: 'secret',
      reportUrl: 'http://controller/report',
      tokenFile: '/token',
      terminationLog: '/dev/termination-log',
      volumeRoot: '/longpo',
    });
    expect(config).toMatchObject({
      tokenizer: resolve('/longpo/models/base'),
      documents: '/elsewhere/documents',
      directory: resolve('/longpo/demo/one/data'),
      concurrency: 4,
      answer: { temperature: 1, topP: 1, maxTokens: 1024 },
    });
    expect(readConfig(env()).apiKey).toBe('none');
  });

  it.each([
    [env({ ...given, contextLength: -1 }), /^LONGPO_CONFIG: contextLength \(-1\): .*>0/],
    [env({ ...given, filter: { refusals: 'yes' } }), /^LONGPO_CONFIG: filter\.refusals \("yes"\): .*boolean/],
    [env({ ...given, colour: 'red' }), /^LONGPO_CONFIG: config: .*"colour"/],
    [
      env({ ...given, chunkTokens: { min: 9, max: 8 } }),
      /^LONGPO_CONFIG: chunkTokens\.min \(9\): must not be above chunkTokens\.max \(8\)$/,
    ],
    [{ ...env(), LONGPO_CONFIG: '{' }, /^LONGPO_CONFIG is not JSON/],
    [{}, /^LONGPO_CONFIG is not set/],
    [{ ...env(), LONGPO_ENDPOINT: undefined }, /^LONGPO_ENDPOINT \(undefined\): must be the base URL/],
    [{ ...env(), LONGPO_ENDPOINT: 'server' }, /^LONGPO_ENDPOINT \("server"\): must be the base URL/],
  ])('names what is wrong with it (%#)', (bad, message) => {
    expect(() => readConfig(bad)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        exitCode: 2,
        message: expect.stringMatching(message),
      }),
    );
  });
});
