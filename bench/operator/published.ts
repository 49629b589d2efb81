/** What others have published, each with its place. No rival is run here: these were measured on other machines. */
export const published = [
  [
    'Kueue, 15,000 workloads (quota-bound)',
    'mean wall 351 s = 42.7 workloads/s; admission of small ones after 215 s in the mean',
    'kueue test/performance/scheduler/configs/baseline/rangespec.yaml',
  ],
  [
    'Kueue, 50,000 workloads',
    'mean wall 1,179 s = 42.4 workloads/s',
    'kueue test/performance/scheduler/configs/large-scale',
  ],
  [
    'KubeRay 1.1.1, 1,000 RayClusters',
    'created in 10.6 s, all ready 258 s later',
    'kuberay benchmark/perf-tests/1000-raycluster/results/junit.xml',
  ],
  [
    'KubeRay, 1,000 RayJobs',
    'created in 10.8 s, all complete after 917 s',
    'kuberay benchmark/perf-tests/1000-rayjob',
  ],
  ['KubeRay, memory', '"anecdotally 500 pods = 500 MB"', 'kuberay ray-operator/README, memory_benchmark.md'],
  ['KAITO, memory limit of its controller', '128 MiB', 'kaito charts/kaito/workspace/values.yaml'],
  ['Kueue, memory limit of its manager', '512 MiB', 'kueue config/components/manager/manager.yaml'],
  ['Pepr, memory limit of its watcher', '512 MiB', 'pepr src/lib/assets/k8sObjects.ts'],
  ['Trainer, KAITO, JobSet: CR to pods', 'none published', '-'],
];
