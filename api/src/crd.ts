/** The CustomResourceDefinitions, built from the zod schemas. Pure; `api/scripts/generate.ts` writes them. */

import type * as z from 'zod';
import { apiGroup, kinds } from './group.ts';
import { structuralSchema } from './json-schema.ts';
import type { CustomResourceDefinition } from './kubernetes.ts';
import { longpoServingSpec, longpoServingStatus } from './longpo-serving.ts';
import { longpoTrainingSpec } from './longpo-training.ts';
import { longpoTrainingStatus } from './longpo-training-status.ts';
import { nameLimit, reservedNames } from './object-meta.ts';

interface Column {
  name: string;
  type: 'string' | 'integer' | 'date';
  jsonPath: string;
  priority?: number;
}

interface Definition {
  names: (typeof kinds)[keyof typeof kinds];
  spec: z.ZodType;
  status: z.ZodType;
  columns: Column[];
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath: string };
  /** CEL rules of the whole object. */
  rules?: { rule: string; message: string; fieldPath: string }[];
}

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** Stages whose state is not Pending keep their fields; parallelism may change, which starts a new attempt. */
const startedStagesStay = [
  '!has(oldSelf.status) || !has(oldSelf.status.stages) || oldSelf.status.stages.all(t, t.state == "Pending" ||',
  'oldSelf.spec.stages.all(o, o.name != t.name || self.spec.stages.exists(s, s.name == o.name &&',
  's.contextLength == o.contextLength && has(s.ropeTheta) == has(o.ropeTheta) &&',
  '(!has(s.ropeTheta) || s.ropeTheta == o.ropeTheta) && has(s.preferences) == has(o.preferences) &&',
  '(!has(s.preferences) || s.preferences.uri == o.preferences.uri))))',
].join(' ');

/** What comes before a stage that has begun would be trained after it, from weights that have seen longer contexts. */
const newStagesComeLast = [
  '!has(oldSelf.status) || !has(oldSelf.status.stages) || self.spec.stages.all(s,',
  'oldSelf.status.stages.exists(t, t.name == s.name && t.state != "Pending") ||',
  'oldSelf.status.stages.all(t, t.state == "Pending" ||',
  'self.spec.stages.all(o, o.name != t.name || o.contextLength < s.contextLength)))',
].join(' ');

const training: Definition = {
  names: kinds.training,
  rules: [
    {
      rule: `!(self.metadata.name in ${JSON.stringify(reservedNames)})`,
      message: `metadata.name must not be one of ${reservedNames.join(', ')}: folders of the volume have these names`,
      fieldPath: '.metadata.name',
    },
    ...['model', 'documents', 'storage'].map((field) => ({
      rule: `has(oldSelf.spec.${field}) == has(self.spec.${field}) && (!has(self.spec.${field}) || self.spec.${field} == oldSelf.spec.${field})`,
      message: `spec.${field} cannot be changed: what was made already came from it; make a new training`,
      fieldPath: `.spec.${field}`,
    })),
    {
      rule: 'self.spec.seed == oldSelf.spec.seed',
      message: 'spec.seed cannot be changed: what was made already came from it; make a new training',
      fieldPath: '.spec.seed',
    },
    {
      rule: startedStagesStay,
      message:
        'a stage that has begun cannot be removed or changed, except for its parallelism: make a new training, or add stages at the end',
      fieldPath: '.spec.stages',
    },
    {
      rule: newStagesComeLast,
      message:
        'a stage that has not begun must come after those that have: give it a longer contextLength, or make a new training',
      fieldPath: '.spec.stages',
    },
  ],
  spec: longpoTrainingSpec,
  status: longpoTrainingStatus,
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Stage', type: 'string', jsonPath: '.status.currentStage' },
    { name: 'Progress', type: 'string', jsonPath: '.status.progress' },
    { name: 'GPUs', type: 'integer', jsonPath: '.status.gpus' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Succeeded")].reason' },
    { name: 'GPU-seconds', type: 'integer', jsonPath: '.status.gpuSeconds', priority: 1 },
    { name: 'URL', type: 'string', jsonPath: '.status.url', priority: 1 },
    age,
  ],
};

const serving: Definition = {
  names: kinds.serving,
  spec: longpoServingSpec,
  status: longpoServingStatus,
  columns: [
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Engine', type: 'string', jsonPath: '.spec.engine' },
    { name: 'Desired', type: 'integer', jsonPath: '.spec.replicas' },
    { name: 'Available', type: 'integer', jsonPath: '.status.readyReplicas' },
    { name: 'URL', type: 'string', jsonPath: '.status.url' },
    age,
  ],
  scale: {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  },
};

function build({ names, spec, status, columns, scale, rules }: Definition): CustomResourceDefinition {
  const openAPIV3Schema = {
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      // Named here so that a rule can point at it.
      metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 253 } } },
      spec: structuralSchema(spec),
      status: structuralSchema(status),
    },
    'x-kubernetes-validations': [
      {
        rule: `size(self.metadata.name) <= ${nameLimit}`,
        message: `metadata.name must have at most ${nameLimit} characters: it is part of the names of Jobs and pods`,
        fieldPath: '.metadata.name',
      },
      ...(rules ?? []),
    ],
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${apiGroup}` },
    spec: {
      group: apiGroup,
      scope: 'Namespaced',
      names: {
        kind: names.kind,
        listKind: `${names.kind}List`,
        plural: names.plural,
        singular: names.singular,
        shortNames: [names.shortName],
        categories: ['longpo'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema },
          subresources: { status: {}, ...(scale ? { scale } : {}) },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

export const customResourceDefinitions = (): CustomResourceDefinition[] => [build(training), build(serving)];
