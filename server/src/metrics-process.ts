/** What runs the model, and whether its event loop is free. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import ort from 'onnxruntime-node/package.json' with { type: 'json' };
import { Gauge, type Registry } from 'prom-client';
import server from '../package.json' with { type: 'json' };
import { prefix } from './metrics-buckets.ts';

const nanosecondsPerSecond = 1e9;

export function processMetrics(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: `${prefix}build_info`,
    help: 'What the server is made of; always 1.',
    labelNames: ['version', 'ort_version', 'ep', 'node_version'],
    registers,
  }).set(
    { version: server.version, ort_version: ort.version, ep: 'cpu', node_version: process.versions.node },
    1,
  );
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  new Gauge({
    name: `${prefix}event_loop_lag_seconds`,
    help: 'Longest wait for the event loop since the last scrape.',
    registers,
    collect() {
      this.set(delay.count === 0 ? 0 : delay.max / nanosecondsPerSecond);
      delay.reset();
    },
  });
}
