/** Reads one serving and what it owns: the only input of its `decide`. */
import { type LongPOServing, labels } from '@longpo/api';
import {
  deployments,
  disruptionBudgets,
  pods,
  type Reader,
  type Resource,
  type ResourceRef,
} from '../../cluster.ts';
import type { Owner } from '../../objects/ownership.ts';
import type { DeploymentResource } from '../../objects/serving.ts';
import { ownerOf, parseServing, servingType } from '../observe.ts';
import type { PodResource } from '../pod-view.ts';

export interface ObservedServing {
  serving: LongPOServing;
  owner: Owner;
  generation: number;
  deployment: DeploymentResource | undefined;
  /** Only one that is this serving's own. */
  disruptionBudget: Resource | undefined;
  pods: PodResource[];
}

/** The serving and its children, or undefined when it is gone or going. */
export async function observeServing(reader: Reader, ref: ResourceRef): Promise<ObservedServing | undefined> {
  const object = await reader.get(ref);
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace, name } = ref;
  const [deployment, disruptionBudget, ownPods] = await Promise.all([
    reader.get({ ...deployments, namespace, name }),
    reader.get({ ...disruptionBudgets, namespace, name }),
    reader.list(pods, namespace, { [labels.serving]: name }),
  ]);
  // Children of an earlier serving of that name may still be on their way out.
  const ifOwn = <T extends Resource>(child: T | undefined) =>
    child?.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid) ? child : undefined;
  return {
    serving: parseServing(object),
    owner: ownerOf({ ...object, ...servingType }),
    generation: object.metadata.generation ?? 0,
    deployment: ifOwn(deployment as DeploymentResource | undefined),
    disruptionBudget: ifOwn(disruptionBudget),
    pods: ownPods as PodResource[],
  };
}
