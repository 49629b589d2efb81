/** PROVISIONER of a bed: storage class `standard`, a directory a claim. Env: KUBECONFIG, VOLUME_ROOT. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlreadyExists, isNotFound } from '../../../controller/src/kubernetes/api-error.ts';
import { loadConnection } from '../../../controller/src/kubernetes/connection.ts';
import { Reflector } from '../../../controller/src/kubernetes/reflector.ts';
import { Transport } from '../../../controller/src/kubernetes/transport.ts';
import { readProvisionerConfig } from '../config.ts';
import {
  type Claim,
  needsVolume,
  pathToRemove,
  storageClass,
  type Volume,
  volumeFor,
  volumeName,
} from './volumes.ts';

const { kubeconfig, volumeRoot } = readProvisionerConfig();
const transport = new Transport(loadConnection({ kubeconfig }), { userAgent: 'longpo-bed-provisioner' });
const volumes = '/api/v1/persistentvolumes';
const retryMs = 1000;

const onError = (error: unknown) => void process.stderr.write(`${new Date().toISOString()} ${error}\n`);

/** Each object's work is safe to repeat, so a failure is tried again until it is done or not wanted. */
function attempt(work: () => Promise<void>): void {
  work().catch((error) => {
    onError(error);
    setTimeout(() => attempt(work), retryMs);
  });
}

async function create(path: string, body: unknown): Promise<void> {
  await transport.call('POST', path, { body }).catch((error) => {
    if (!isAlreadyExists(error)) throw error;
  });
}

async function provide(claim: Claim): Promise<void> {
  if (claims.get(claim.metadata.namespace, claim.metadata.name)?.metadata.uid !== claim.metadata.uid) return;
  const path = join(volumeRoot, volumeName(claim));
  mkdirSync(path, { recursive: true });
  // A pod may have any user; and umask must not have a say.
  chmodSync(path, 0o777);
  await create(volumes, volumeFor(claim, path));
}

async function remove(volume: Volume, path: string): Promise<void> {
  rmSync(path, { recursive: true, force: true });
  await transport.call('DELETE', `${volumes}/${volume.metadata.name}`).catch((error) => {
    if (!isNotFound(error)) throw error;
  });
}

const claims = new Reflector<Claim>({
  transport,
  path: '/api/v1/persistentvolumeclaims',
  onEvent({ type, object }) {
    if (type !== 'DELETED' && needsVolume(object)) attempt(() => provide(object));
  },
  onError,
});
const provided = new Reflector<Volume>({
  transport,
  path: volumes,
  onEvent({ type, object }) {
    const path = pathToRemove(object);
    if (type !== 'DELETED' && path !== undefined) attempt(() => remove(object, path));
  },
  onError,
});

attempt(() => create('/apis/storage.k8s.io/v1/storageclasses', storageClass));
await Promise.all([claims.start(), provided.start()]);
