/** The CustomResourceDefinitions, built from the zod schemas. Pure; `api/scripts/generate.ts` writes them. */

import type * as z from 'zod';
import { apiGroup, kinds } from './group.ts';
import { structuralSchema } from './json-schema.ts';
import type { CustomResourceDefinition } from './kubernetes.ts';
import { longpoServingSpec, longpoServingStatus } from './longpo-serving.ts';
import { longpoTrainingSpec, longpoTrainingStatus } from './longpo-training.ts';
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
  scale?: { specReplicasPath: string; statusReplicasPath: string };
  /** CEL rules of the whole object. */
  rules?: { rule: string; message: string; fieldPath: string }[];
}

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const training: Definition = {
  names: kinds.training,
  rules: [
    {
      rule: `!(self.metadata.name in ${JSON.stringify(reservedNames)})`,
      message: `metadata.name must not be one of ${reservedNames.join(', ')}: folders of the volume have these names`,
      fieldPath: '.metadata.name',
    },
  ],
  spec: longpoTrainingSpec,
  status: longpoTrainingStatus,
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Stage', type: 'string', jsonPath: '.status.currentStage' },
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
    { name: 'Replicas', type: 'integer', jsonPath: '.status.readyReplicas' },
    { name: 'URL', type: 'string', jsonPath: '.status.url' },
    age,
  ],
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
};

function build({ names, spec, status, columns, scale, rules }: Definition): CustomResourceDefinition {
  const openAPIV3Schema = {
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structuralSchema(spec),
      status: structuralSchema(status),
    },
    'x-kubernetes-validations': [
      {
        rule: `size(self.metadata.name) <= ${nameLimit}`,
        message: `metadata.name must have at most ${nameLimit} characters: it is part of the names of Jobs and pods`,
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
