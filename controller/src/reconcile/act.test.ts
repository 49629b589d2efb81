import { desiredHashAnnotation } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import {
  type Cluster,
  ClusterError,
  claims,
  deployments,
  jobs,
  networkPolicies,
  pods,
  type ResourceType,
  services,
} from '../cluster.ts';
import { MemoryCluster, type Stored } from '../fixture/memory-cluster.ts';
import type { Logger } from '../logger.ts';
import { carryOut, changesOf } from './act.ts';
import type { Plan } from './plan.ts';

const ref = (type: ResourceType, name: string) => ({ ...type, namespace: 'research', name });
const object = ({ apiVersion, kind }: ResourceType, name: string): Stored => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'research', ownerReferences: [owner] },
});
const owner = { apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOTraining', name: 'demo', uid: 'uid-demo' };

const patch = { spec: { suspend: true } };
const plan: Plan = {
  apply: [object(networkPolicies, 'demo'), object(claims, 'longpo'), object(jobs, 'next')],
  merge: [
    { ...ref(jobs, 'one'), patch, preconditions: {}, why: 'suspend' },
    { ...ref(jobs, 'two'), patch, preconditions: {}, why: 'suspend' },
  ],
  remove: [ref(pods, 'still'), ref(deployments, 'spare')],
  status: {},
};

/** Carries the plan out where some changes are refused, each with its reason. */
async function run(refused: Record<string, string>) {
  const world = new MemoryCluster();
  for (const name of ['one', 'two']) world.put(object(jobs, name));
  world.put(object(pods, 'still'));
  world.put(object(deployments, 'spare'));
  const facade = world.facade();
  const refuse = (line: string) => {
    const reason = refused[line];
    if (reason !== undefined) throw new ClusterError(reason, `${line}: ${reason}`);
  };
  const cluster: Cluster = {
    ...facade,
    async create(...args) {
      refuse(`create ${args[0].metadata.name}`);
      await facade.create(...args);
    },
    async apply(...args) {
      refuse(`apply ${args[0].metadata.name}`);
      await facade.apply(...args);
    },
    async merge(...args) {
      refuse(`merge ${args[0].name}`);
      await facade.merge(...args);
    },
    async remove(...args) {
      refuse(`remove ${args[0].name}`);
      await facade.remove(...args);
    },
  };
  const logged: string[] = [];
  const logger: Logger = {
    info: () => undefined,
    error: (msg, values) => logged.push(`${msg} ${values?.child}: ${values?.error}`),
    child: () => logger,
  };
  const changes = await changesOf(cluster, plan);
  const failed = await carryOut(cluster, changes, logger).then(
    () => undefined,
    (error: unknown) => (error instanceof ClusterError ? error.message : 'not one of the API'),
  );
  return { writes: world.writes, failed, logged };
}

const stops = ['merge Job/one', 'merge Job/two', 'remove Pod/still', 'remove Deployment/spare'];
const starts = ['apply NetworkPolicy/demo', 'create PersistentVolumeClaim/longpo', 'create Job/next'];

describe('a plan that is carried out', () => {
  it('stops and ends things first, then makes others in their order', async () => {
    expect(await run({})).toEqual({ writes: [...stops, ...starts], failed: undefined, logged: [] });
  });

  it.each<[refused: string, writes: string[]]>([
    ['apply demo', stops],
    ['create longpo', [...stops, 'apply NetworkPolicy/demo']],
    ['create next', [...stops, 'apply NetworkPolicy/demo', 'create PersistentVolumeClaim/longpo']],
    ['merge one', [...stops.filter((line) => line !== 'merge Job/one'), ...starts]],
    ['remove still', [...stops.filter((line) => line !== 'remove Pod/still'), ...starts]],
  ])('where "%s" is refused, does all that does not wait for it', async (line, writes) => {
    expect(await run({ [line]: 'Forbidden' })).toEqual({ writes, failed: `${line}: Forbidden`, logged: [] });
  });

  it('throws an error that lasts before one that passes, and logs the others', async () => {
    const refused = { 'merge one': 'Conflict', 'remove still': 'Forbidden', 'create longpo': 'Invalid' };
    const { failed, logged } = await run(refused);
    expect({ failed, logged }).toEqual({
      failed: 'remove still: Forbidden',
      logged: [
        'not changed Job/one: merge one: Conflict',
        'not changed PersistentVolumeClaim/longpo: create longpo: Invalid',
      ],
    });
  });
});

describe('a child that somebody changed', () => {
  const service = { ...object(services, 'demo'), spec: { ports: [{ name: 'http', port: 8000 }] } };
  const ours = { ...service.metadata, annotations: { [desiredHashAnnotation]: 'same' } };
  const desired = { ...service, metadata: ours };
  const others = [{ manager: 'kubectl-edit', operation: 'Update' }];

  /** The changes to it, and the writes when the first apply is refused for this reason. */
  async function restore(reason?: string) {
    const world = new MemoryCluster();
    const changed = { ...ours, managedFields: others };
    world.put({ ...service, metadata: changed, spec: { ports: [{ name: 'http', port: 9000 }] } });
    const facade = world.facade();
    let refused = reason;
    const apply: Cluster['apply'] = async (...args) => {
      const now = refused;
      refused = undefined;
      if (now !== undefined) throw new ClusterError(now, now);
      await facade.apply(...args);
    };
    const changes = await changesOf(facade, { apply: [desired], remove: [], status: {} });
    const logger: Logger = { info: () => undefined, error: () => undefined, child: () => logger };
    const failed = await carryOut({ ...facade, apply }, changes, logger).catch(({ message }) => message);
    return {
      said: changes.map(({ did, child, why }) => `${did} ${child}: ${why}`),
      writes: world.writes,
      failed,
    };
  }

  it('is applied again', async () => {
    expect(await restore()).toEqual({
      said: ['applied Service/demo: changed by others'],
      writes: ['apply Service/demo'],
      failed: undefined,
    });
  });

  it('is written as a whole first where what somebody made of it does not go with ours', async () => {
    expect((await restore('Invalid')).writes).toEqual(['merge Service/demo', 'apply Service/demo']);
  });

  it('stays when that is forbidden', async () => {
    const { writes, failed } = await restore('Forbidden');
    expect({ writes, failed }).toEqual({ writes: [], failed: 'Forbidden' });
  });
});
