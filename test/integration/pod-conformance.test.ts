import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conformanceCases, type Outcome, outcomeOf } from '../../cli/src/pod/fixture/conformance.ts';
import type { PodResource } from '../../cli/src/pod/index.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { settled } from '../waiting.ts';

let bed: Bed;
beforeAll(async () => {
  bed = await startBed();
  await bed.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: conformanceCases.map(({ spec }, index) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `case-${index}`, namespace: 'default' },
        spec,
      })),
    }),
  );
});
afterAll(() => bed?.stop());

async function podNamed(name: string): Promise<PodResource> {
  return JSON.parse(await bed.kubectl('get', 'pod', name, '-o', 'json')) as PodResource;
}

describe('a pod of the node agent', () => {
  it.each(conformanceCases.map((one, index) => ({ ...one, index })))('$name', async ({ index, outcome }) => {
    const read = async (): Promise<Outcome> => outcomeOf((await podNamed(`case-${index}`)).status ?? {});
    const isWanted = (found: Outcome) => isDeepStrictEqual(found, outcome);
    expect(await settled(read, isWanted, { timeoutMs: 40_000 })).toEqual(outcome);
  });
});
