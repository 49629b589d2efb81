/** The Jobs of a training, from its spec and what came before. Pure. */
import {
  type FetchConfig,
  type GenerateConfig,
  type LongPOTraining,
  podEnv,
  type Role,
  rendezvousPort,
  shapeAnnotation,
  type TrainConfig,
  type TrainingStage,
  type TrainResult,
  type VerifyConfig,
} from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { jobName, stageDirectory } from '../../objects/names.ts';
import type { Owner } from '../../objects/ownership.ts';
import { buildHeadlessService, buildRoleJob, type JobResource } from '../../objects/role-job.ts';
import { servingUrl } from '../../objects/serving.ts';
import { modelDirectory, podPath } from '../../objects/uri.ts';
import { foldersToRemove } from '../../policies/retention.ts';
import { shapeOf, shapeText } from '../../policies/shape.ts';
import type { Settings } from '../../settings.ts';

export interface JobContext {
  training: LongPOTraining;
  owner: Owner;
  settings: Settings;
}

export type BatchRole = Exclude<Role, 'serve'>;

/** A stage whose checkpoint is verified. */
export interface FinishedStage {
  name: string;
  trained: Pick<TrainResult, 'checkpoint' | 'master' | 'masterDigest'>;
}

/** Weights that a stage starts from. */
export interface StageStart {
  model: string;
  digest: string;
}

const reportUrl = ({ owner, settings }: JobContext) =>
  `${settings.reportBaseUrl}/apis/longpo.dev/v1alpha1/namespaces/${owner.namespace}/longpotrainings/${owner.name}/progress`;

function roleJob(
  context: JobContext,
  role: BatchRole,
  stage: string,
  attempt: number,
  config: object,
  extra: { pods?: number; env?: Record<string, string>; annotations?: Record<string, string> } = {},
): JobResource {
  const { owner, settings, training } = context;
  const resources = training.spec.resources[role];
  return buildRoleJob({
    name: jobName(owner.name, stage === '' ? undefined : stage, role, attempt),
    owner,
    role,
    stage,
    attempt,
    image: settings.images[role],
    claimName: training.spec.storage.claimName,
    config,
    reportUrl: reportUrl(context),
    pods: 1,
    ...extra,
    template: training.spec.podTemplate,
    ...(resources === undefined ? {} : { resources }),
  });
}

export function fetchJob(context: JobContext, attempt: number): Resource {
  const { uri } = context.training.spec.model;
  const config: FetchConfig = { training: context.owner.name, uri, destination: modelDirectory(uri) };
  return roleJob(context, 'fetch', '', attempt, config);
}

export function generateJob(
  context: JobContext,
  stage: TrainingStage,
  attempt: number,
  start: StageStart,
  servingName: string,
): Resource {
  const { owner, training } = context;
  const { endpoint, quantization: _, ...settings } = training.spec.generate;
  const config: GenerateConfig = {
    training: owner.name,
    stage: stage.name,
    attempt,
    servedModelName: endpoint?.model ?? servingName,
    tokenizer: start.model,
    documents: podPath(training.spec.documents?.uri ?? ''),
    contextLength: stage.contextLength,
    directory: `${stageDirectory(owner.name, stage.name)}/data`,
    seed: training.spec.seed,
    ...settings,
  };
  const url = endpoint?.url ?? servingUrl(servingName, owner.namespace);
  return roleJob(context, 'generate', stage.name, attempt, config, { env: { [podEnv.endpoint]: url } });
}

/** The train Job, with a headless Service when its ranks sit in several pods. */
export function trainJob(
  context: JobContext,
  stage: TrainingStage,
  attempt: number,
  start: StageStart,
  rows: string,
): Resource[] {
  const { owner, training } = context;
  const { pods, processesPerPod } = shapeOf(stage);
  const evalUri = stage.preferences?.evalUri;
  const config: TrainConfig = {
    training: owner.name,
    stage: stage.name,
    attempt,
    model: start.model,
    modelDigest: start.digest,
    rows,
    evalRows: evalUri === undefined ? null : podPath(evalUri),
    directory: stageDirectory(owner.name, stage.name),
    contextLength: stage.contextLength,
    ropeTheta: stage.ropeTheta ?? null,
    sequenceParallel: stage.parallelism.sequence,
    dataParallel: stage.parallelism.data,
    pods,
    processesPerPod,
    seed: training.spec.seed,
    ...training.spec.train,
  };
  const name = jobName(owner.name, stage.name, 'train', attempt);
  const coordinator = `${name}-0.${name}.${owner.namespace}.svc:${rendezvousPort}`;
  const job = roleJob(context, 'train', stage.name, attempt, config, {
    pods,
    annotations: { [shapeAnnotation]: shapeText(stage) },
    ...(pods === 1 ? {} : { env: { [podEnv.coordinator]: coordinator } }),
  });
  return pods === 1 ? [job] : [buildHeadlessService(job, rendezvousPort), job];
}

export function verifyJob(
  context: JobContext,
  stage: TrainingStage,
  attempt: number,
  trained: TrainResult,
  before: FinishedStage | undefined,
): Resource {
  const { owner, training } = context;
  const config: VerifyConfig = {
    training: owner.name,
    stage: stage.name,
    attempt,
    checkpoint: trained.checkpoint,
    digest: trained.digest,
    remove: foldersToRemove(training.spec, owner.name, stage.name, before),
  };
  return roleJob(context, 'verify', stage.name, attempt, config);
}
