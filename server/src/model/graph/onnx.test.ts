import { expect, test } from 'vitest';
import { OnnxGraph } from './onnx.ts';

test('nodes at the front stand before all others, each kind in the order in which it was added', () => {
  const graph = new OnnxGraph();
  graph.node('Add', ['x', 'y'], ['sum']);
  graph.node('Cast', ['stored.1'], ['first'], { atFront: true });
  graph.node('Mul', ['sum', 'first'], ['product']);
  graph.node('Cast', ['stored.2'], ['second'], { atFront: true });
  const text = Buffer.from(graph.encode()).toString('latin1');
  const found = [...text.matchAll(/stored\.1|stored\.2|sum|product/g)].map(([name]) => name);
  expect([...new Set(found)]).toEqual(['stored.1', 'stored.2', 'sum', 'product']);
});
