import type { Container, PodTemplateSpec } from '@longpo/api';
import { expect, it } from 'vitest';
import type { Resource } from '../cluster.ts';
import { digestOf, trained } from '../fixture/results.ts';
import { makeServing, servingOwner } from '../fixture/serving.ts';
import { makeTraining, settings } from '../fixture/training.ts';
import { buildServingDeployment } from '../objects/serving.ts';
import { fetchJob, generateJob, trainJob, verifyJob } from './training/stage-jobs.ts';

/** What a shell would run, what a kubelet would expand, and what would end a quoted string. */
const hostile = `"'; touch /tmp/owned #$(HOME)\`id\``;

const podTemplate = { env: [{ name: 'EXTRA', value: hostile }], annotations: { note: hostile } };

function everyWorkload(): Resource[] {
  const scene = makeTraining({
    spec: {
      model: { uri: `/models/${hostile}` },
      documents: { uri: `/documents/${hostile}` },
      generate: { endpoint: { url: 'http://server/v1', model: hostile } },
      stages: [
        {
          name: 'one',
          contextLength: 1024,
          preferences: { uri: `/rows/${hostile}` },
          parallelism: { sequence: 2, processesPerPod: 1 },
        },
      ],
      podTemplate,
    },
  });
  const context = { ...scene, settings };
  const [stage] = scene.training.spec.stages;
  if (stage === undefined) throw new Error('the scene has a stage');
  const start = { model: `/models/${hostile}`, digest: digestOf('a') };
  const serving = (spec: object) =>
    buildServingDeployment(
      makeServing({ model: { uri: `/models/${hostile}` }, podTemplate, ...spec }),
      servingOwner,
      settings.images,
    );
  return [
    fetchJob(context, 1),
    generateJob(context, stage, 1, start, 'demo-one-gen'),
    ...trainJob(context, stage, 1, start, `/rows/${hostile}`),
    verifyJob(context, stage, 1, trained('one'), undefined),
    serving({}),
    serving({ engine: 'vllm', ropeTheta: 1e7, maxModelLen: 4096 }),
  ];
}

const containersOf = (object: Resource): Container[] => {
  const { template } = (object as { spec?: { template?: PodTemplateSpec } }).spec ?? {};
  return [...(template?.spec?.initContainers ?? []), ...(template?.spec?.containers ?? [])];
};

/** As the kubelet reads a command: $$ is a dollar sign, $(NAME) a value. */
const expanded = (text: string) =>
  text.replace(/\$\$|\$\((\w+)\)/g, (match) => (match === '$$' ? '$' : '<expanded>'));

it('no text of a resource reaches a shell: programs are ours, arguments whole, and nothing is expanded', () => {
  const containers = everyWorkload().flatMap(containersOf);
  const ours = containers.map(({ command = [], args, lifecycle, ...container }) => ({
    program: command[0],
    // Of an argument with the text, only the path that it stands in.
    argumentsWithText: command
      .slice(1)
      .filter((argument) => argument.includes('touch'))
      .map(expanded),
    besides: { args, lifecycle },
    probes: [container.startupProbe, container.readinessProbe, container.livenessProbe].map((probe) =>
      Object.keys(probe ?? {}).filter((key) => key === 'exec'),
    ),
  }));
  const row = (program: string, argumentsWithText: string[] = []) => ({
    program,
    argumentsWithText,
    besides: { args: undefined, lifecycle: undefined },
    probes: [[], [], []],
  });
  expect(ours).toEqual([
    row('longpo-fetch'),
    row('longpo-generate'),
    row('longpo-train'),
    row('longpo-verify'),
    row('longpo-serve'),
    row('vllm', [`/models/${hostile}`]),
  ]);
});

it('a config arrives at its role as it was written', () => {
  const configs = everyWorkload()
    .flatMap(containersOf)
    .flatMap(({ env = [] }) => env.filter(({ name }) => name === 'LONGPO_CONFIG'))
    .map(({ value = '' }) => value);
  expect(configs).toHaveLength(5);
  expect(configs.filter((config) => config !== expanded(config))).toEqual([]);
  // verify is told nothing that a user wrote
  expect(
    configs.filter((config) =>
      JSON.stringify(JSON.parse(config)).includes(JSON.stringify(hostile).slice(1, -1)),
    ),
  ).toHaveLength(4);
});
