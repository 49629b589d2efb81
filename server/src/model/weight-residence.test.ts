import { expect, test } from 'vitest';
import type { Tensor } from './safetensors.ts';
import { mapsWeights } from './weight-residence.ts';

const tensor = (name: string, dtype: 'F32' | 'BF16', shape: number[]): [string, Tensor] => [
  name,
  { name, dtype, shape, file: '/model.safetensors', offset: 0, bytes: 0 },
];
const tensors = new Map([tensor('a', 'BF16', [10, 20]), tensor('b', 'F32', [50])]);

test('weights are mapped where their float32 copy takes more than half of the free memory', () => {
  expect([mapsWeights(tensors, 2000), mapsWeights(tensors, 1999)]).toEqual([false, true]);
});
