import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { standInImages, World } from '../operator/world.ts';
import { casesOf } from '../perturb/cases.ts';
import { idOf } from '../perturb/perturbation.ts';
import { differences, type Outcome, runCase } from '../perturb/run-case.ts';

/** A seeded handful of `npm run test:perturb`: which ones is chance, but the same for everybody. */
const seed = 7;
const perKind = 2;

let bed: Bed;
let world: World;
let undisturbed: Outcome;
beforeAll(async () => {
  const extra = { 'kube-controller-manager': { env: { JOB_SYNC_PERIOD: '100ms' } } };
  bed = await startBed({ images: standInImages, extra });
  world = new World(bed);
  await world.install();
  undisturbed = await runCase(world, 'undisturbed', { kind: 'none' });
}, 20 * 60_000);
afterAll(async () => {
  world?.close();
  await bed?.stop();
});

describe(`a perturbed operator (seed ${seed})`, () => {
  it.concurrent.each(['leaders', 'kill', 'stale', 'hide'])(
    'ends as one that nobody disturbed: %s',
    async (kind) => {
      const all = casesOf(undisturbed).filter((perturbation) => perturbation.kind === kind);
      const chosen = all.filter((_, n) => (n + seed) % Math.ceil(all.length / perKind) === 0);
      expect(chosen.length).toBeGreaterThan(0);
      for (const [n, perturbation] of chosen.entries()) {
        const { end } = await runCase(world, `${kind}-${n}`, perturbation);
        const wrong = differences(end, undisturbed.end);
        expect({ id: idOf(perturbation), wrong }).toEqual({ id: idOf(perturbation), wrong: [] });
      }
    },
  );
});
