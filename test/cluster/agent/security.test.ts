import { describe, expect, it } from 'vitest';
import { ContainerConfigError } from '../../../cli/src/pod/index.ts';
import { identityOf } from './security.ts';

const image = { path: [], folders: [], env: {}, command: [], user: 0 };
const podWith = (securityContext: object) => ({
  apiVersion: 'v1' as const,
  kind: 'Pod' as const,
  metadata: { name: 'p', namespace: 'default' },
  spec: { containers: [], securityContext },
});

it('takes the container at its word before the pod, and drops what it says', () => {
  const container = {
    name: 'c',
    securityContext: {
      runAsUser: 1000,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
    },
  };
  expect(identityOf(podWith({ runAsUser: 1, runAsGroup: 2, fsGroup: 3 }), container, image)).toEqual({
    user: 1000,
    group: 2,
    setpriv: [
      '--reuid=1000',
      '--regid=2',
      '--groups=3',
      '--inh-caps=-all',
      '--bounding-set=-all,+net_bind_service',
      '--no-new-privs',
    ],
    isRootReadOnly: true,
  });
});

describe('runAsNonRoot', () => {
  const pod = podWith({ runAsNonRoot: true });

  it('refuses an image that runs as root', () => {
    const problem = 'container has runAsNonRoot and image will run as root (pod: "p", container: c)';
    expect(() => identityOf(pod, { name: 'c' }, image)).toThrow(new ContainerConfigError(problem));
  });

  it('refuses a user that is root', () => {
    const container = { name: 'c', securityContext: { runAsUser: 0 } };
    expect(() => identityOf(pod, container, image)).toThrow("container's runAsUser breaks non-root policy");
  });

  it('accepts the user of the image', () => {
    expect(identityOf(pod, { name: 'c' }, { ...image, user: 65_532 }).user).toBe(65_532);
  });
});
