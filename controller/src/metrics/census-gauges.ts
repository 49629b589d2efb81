/** What the census counts, as metrics. */
import { longpoTrainingStatus, type StageProgress } from '@longpo/api';
import { Counter, Gauge, type Registry } from 'prom-client';
import { Census } from './census.ts';

const prefix = 'longpo_';
const states = longpoTrainingStatus.shape.state.unwrap().options;

/** Counted on every replica, shown by the leader. */
export function createCensus(registry: Registry, isLeader: () => boolean): Census {
  const registers = [registry];
  const perNamespace = (name: string, help: string) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames: ['namespace'], registers });
  const gpuSeconds = perNamespace('training_gpu_seconds_total', 'GPU-seconds of finished intervals.');
  const restarts = perNamespace('training_restarts_total', 'Failures of stages, stalls included.');
  const census = new Census({
    isLeader,
    onGpuSeconds: (namespace, seconds) => gpuSeconds.inc({ namespace }, seconds),
    onRestarts: (namespace, count) => restarts.inc({ namespace }, count),
  });
  /** Made anew each time: what is gone must not stay. */
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    rows: () => [labels: Record<L, string>, value: number][],
  ) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        if (isLeader())
          for (const [labels, value] of rows()) this.set(labels as Partial<Record<L, string>>, value);
      },
    });
  gauge('trainings', 'Trainings by state.', ['state'], () => {
    const counts = census.trainingsByState();
    return states.map((state) => [{ state }, counts.get(state) ?? 0]);
  });
  gauge('servings', 'Servings by whether they answer.', ['ready'], () => {
    const counts = census.servingsByReady();
    return ['true', 'false'].map((ready) => [{ ready }, counts.get(ready) ?? 0]);
  });
  gauge('training_gpus', 'GPUs that current Jobs ask for.', ['namespace'], () =>
    [...census.gpusByNamespace()].map(([namespace, gpus]) => [{ namespace }, gpus]),
  );
  const ofTraining = (name: string, help: string, read: RunningValue) =>
    gauge(
      `training_${name}`,
      `${help} Of trainings that run, at most 200.`,
      ['namespace', 'training', 'stage'],
      () =>
        census.running().flatMap(({ progress, ...labels }) => {
          const value = read(progress);
          return value === undefined ? [] : [[labels, value]];
        }),
    );
  ofTraining('progress_completed', 'Completed units of the phase (steps when training).', (p) => p.completed);
  ofTraining('progress_expected', 'Units of the phase; 0 while unknown.', (p) => p.total);
  ofTraining('tokens_per_second', 'As last reported.', (p) => p.tokensPerSecond);
  return census;
}

type RunningValue = (progress: StageProgress) => number | undefined;
