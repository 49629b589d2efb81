/**
 * The planner's formulas against what the trainer's own layers take on this machine: bytes by a tracker of storages,
 * operations by torch's counter (planner-measured.py says how). LONGPO_PYTHON is a Python with torch.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ModelFacts } from '@longpo/api';
import { expect, test } from 'vitest';
import { packedRowFlops, type RowTokens } from '../../cli/src/plan/flops.ts';
import { layerBytesPerToken } from '../../cli/src/plan/memory.ts';

interface Measured {
  row: RowTokens;
  tiles: number;
  shapes: {
    model: ModelFacts;
    layerBytesPerToken: number;
    tiledLayerBytesPerToken: number;
    stepFlops: number;
    /** Without the last product of each recompute, which torch leaves out. */
    realStepFlops: number;
  }[];
}

async function measure(): Promise<Measured> {
  const python = process.env.LONGPO_PYTHON;
  if (!python) throw new Error('LONGPO_PYTHON is not set; npm test prepares it');
  const { stdout } = await promisify(execFile)(python, [join(import.meta.dirname, 'planner-measured.py')]);
  return JSON.parse(stdout) as Measured;
}

test('proof 15: planned bytes of a layer and operations of a step are the measured ones within 5 %', async () => {
  const { row, tiles, shapes } = await measure();
  expect(shapes).toHaveLength(4);
  for (const { model, ...measured } of shapes) {
    const planned = {
      layerBytesPerToken: layerBytesPerToken(model, 1),
      tiledLayerBytesPerToken: layerBytesPerToken(model, tiles),
      stepFlops: packedRowFlops(model, row),
    };
    for (const name of ['layerBytesPerToken', 'tiledLayerBytesPerToken', 'stepFlops'] as const) {
      const off = Math.abs(planned[name] / measured[name] - 1);
      expect(off, `${name} of ${model.architecture}`).toBeLessThan(0.05);
    }
    // The plan is on the safe side: torch skips a product of each layer that the formula counts.
    expect(planned.stepFlops).toBeGreaterThan(measured.realStepFlops);
    expect(planned.stepFlops).toBeLessThan(1.12 * measured.realStepFlops);
  }
});
