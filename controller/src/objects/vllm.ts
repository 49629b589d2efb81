/**
 * Engine vllm: a pod of vLLM's own image, which knows nothing of the pod contract: flags instead of LONGPO_CONFIG,
 * and exit codes of its own. Pure.
 */
import {
  type LongPOServing,
  type PodTemplateSpec,
  type Probe,
  type RoleResources,
  servePort,
  volumeMountPath,
} from '@longpo/api';
import { buildPod } from './pod.ts';
import { podPath } from './uri.ts';

const gpu = 'nvidia.com/gpu';
/** Also a part of a GPU, or one of another maker: nvidia.com/mig-3g.40gb, amd.com/gpu. */
const isGpu = (resource: string): boolean => /\/(gpu|mig-)/.test(resource);

/** vLLM listens once it has loaded the model and captured its graphs; that may take most of an hour. */
const health: Probe = { httpGet: { path: '/health', port: servePort }, timeoutSeconds: 5 };
const startupProbe: Probe = { ...health, periodSeconds: 10, failureThreshold: 360 };
const gracePeriodSeconds = 60;

const env = {
  // Models come from the claim: nothing is fetched, and nobody is told.
  HF_HUB_OFFLINE: '1',
  VLLM_NO_USAGE_STATS: '1',
};

export function buildVllmPod(
  serving: LongPOServing,
  image: string,
  labels: Record<string, string>,
): PodTemplateSpec {
  const { storage, podTemplate, resources, tensorParallelSize } = serving.spec;
  return buildPod({
    name: 'serve',
    image,
    command: vllmCommand(serving),
    env: {},
    defaultEnv: env,
    claimName: storage.claimName,
    labels,
    reports: false,
    restartPolicy: 'Always',
    gracePeriodSeconds,
    template: podTemplate,
    resources: withGpus(resources, tensorParallelSize),
    container: {
      ports: [{ name: 'http', containerPort: servePort }],
      startupProbe,
      readinessProbe: { ...health, periodSeconds: 5 },
      livenessProbe: { ...health, periodSeconds: 10, failureThreshold: 6 },
      // It writes no termination message: the end of its log says why it ended.
      terminationMessagePolicy: 'FallbackToLogsOnError',
    },
  });
}

function vllmCommand(serving: LongPOServing): string[] {
  const { model, maxModelLen, tensorParallelSize, parallelSequences } = serving.spec;
  const path = podPath(model.uri);
  const overrides = configOverrides(serving);
  return [
    'vllm',
    'serve',
    // The kubelet reads $$ as a dollar sign, and $(NAME) as something to expand.
    (path.startsWith('/') ? path : `${volumeMountPath}/${path}`).replaceAll('$', '$$$$'),
    ...flag('--served-model-name', serving.metadata.name),
    ...flag('--host', '0.0.0.0'),
    ...flag('--port', String(servePort)),
    ...(maxModelLen === undefined ? [] : flag('--max-model-len', String(maxModelLen))),
    ...flag('--tensor-parallel-size', String(tensorParallelSize)),
    ...flag('--max-num-seqs', String(parallelSequences)),
    ...(overrides === undefined ? [] : flag('--hf-overrides', JSON.stringify(overrides))),
  ];
}

const flag = (name: string, value: string): string[] => [name, value];

/**
 * vLLM has no flag for the RoPE theta (gone since 0.12), only changes to the model's config. Releases on
 * transformers 4 read rope_theta, those on 5 rope_parameters; each leaves the other's alone. A length beyond the
 * model's own is refused unless the config says it too.
 */
function configOverrides(serving: LongPOServing): object | undefined {
  const { ropeTheta, maxModelLen } = serving.spec;
  if (ropeTheta === undefined) return undefined;
  return {
    rope_theta: ropeTheta,
    rope_parameters: { rope_type: 'default', rope_theta: ropeTheta },
    ...(maxModelLen !== undefined && { max_position_embeddings: maxModelLen }),
  };
}

/** One GPU for each tensor-parallel rank, unless the spec says what the container gets. */
function withGpus(resources: RoleResources | undefined, ranks: number): RoleResources {
  const asked = { ...resources?.requests, ...resources?.limits };
  if (Object.keys(asked).some(isGpu)) return { ...resources };
  return { ...resources, limits: { ...resources?.limits, [gpu]: String(ranks) } };
}
