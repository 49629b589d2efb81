/** What pods refer to in their namespace, read when a pod needs it. */
import { NotReadyError } from '../../../cli/src/pod/index.ts';
import { isNotFound } from '../../../controller/src/kubernetes/api-error.ts';
import type { Transport } from '../../../controller/src/kubernetes/transport.ts';

/** Values are text, or bytes where they came as base64. */
export type Data = Record<string, string | Buffer>;

interface DataObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}

interface Claim {
  status?: { phase?: string };
  spec: { volumeName?: string };
}

interface Volume {
  spec: { hostPath?: { path: string }; local?: { path: string } };
}

export interface TokenRequest {
  namespace: string;
  serviceAccount: string;
  audience: string | undefined;
  expirationSeconds: number;
  pod: { name: string; uid: string };
}

const decoded = (map: Record<string, string> = {}): Data =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key, Buffer.from(value, 'base64')]));

export class ClusterObjects {
  readonly #api: Pick<Transport, 'call'>;

  constructor(api: Pick<Transport, 'call'>) {
    this.#api = api;
  }

  /** Undefined for what is optional and not there; NotReadyError for what is needed. */
  async configMap(namespace: string, name: string, isOptional = false): Promise<Data | undefined> {
    const object = await this.#object<DataObject>(namespace, 'configmaps', name, isOptional);
    return object && { ...object.data, ...decoded(object.binaryData) };
  }

  async secret(namespace: string, name: string, isOptional = false): Promise<Data | undefined> {
    const object = await this.#object<DataObject>(namespace, 'secrets', name, isOptional);
    return object && decoded(object.data);
  }

  /** The folder behind a bound claim. */
  async claimFolder(namespace: string, name: string): Promise<string> {
    const claim = await this.#object<Claim>(namespace, 'persistentvolumeclaims', name, false);
    if (claim?.status?.phase !== 'Bound') throw new NotReadyError(`claim ${name} is not bound`);
    const volume = (await this.#api.call(
      'GET',
      `/api/v1/persistentvolumes/${claim.spec.volumeName}`,
    )) as Volume;
    const path = volume.spec.hostPath?.path ?? volume.spec.local?.path;
    if (path === undefined) throw new NotReadyError(`volume ${claim.spec.volumeName} is not a folder`);
    return path;
  }

  async token(request: TokenRequest): Promise<string> {
    const { namespace, serviceAccount, audience, expirationSeconds, pod } = request;
    const spec = {
      ...(audience !== undefined && { audiences: [audience] }),
      expirationSeconds,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod },
    };
    const answer = (await this.#api.call(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }, repeatable: true },
    )) as { status: { token: string } };
    return answer.status.token;
  }

  async #object<T>(
    namespace: string,
    plural: string,
    name: string,
    isOptional: boolean,
  ): Promise<T | undefined> {
    try {
      return (await this.#api.call('GET', `/api/v1/namespaces/${namespace}/${plural}/${name}`)) as T;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (isOptional) return undefined;
      throw new NotReadyError(`${plural.slice(0, -1)} "${name}" not found`);
    }
  }
}
