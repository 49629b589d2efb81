import { apiVersion } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../kubernetes/api-error.ts';
import { checkCluster } from './preflight.ts';

const kindsPath = `/apis/${apiVersion}`;
const both = { resources: [{ name: 'longpotrainings' }, { name: 'longposervings' }] };

/** Answers discovery; a list of answers is given one by one, the last one for ever. */
function makeServer(minor: string, discovery: unknown[]) {
  const asked: string[] = [];
  return {
    asked,
    async call(_: string, path: string) {
      asked.push(path);
      if (path === '/version') return { major: '1', minor, gitVersion: `v1.${minor}.0` };
      const answer = discovery.length > 1 ? discovery.shift() : discovery[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

const once = { attempts: 1, pauseMs: 0 };
const missing = new ApiError(404, 'NotFound', 'the server could not find the requested resource');

describe('the preflight', () => {
  it.each(['31', '31+', '37'])('takes Kubernetes 1.%s and says its version', async (minor) => {
    expect(await checkCluster(makeServer(minor, [both]), once)).toBe(`v1.${minor}.0`);
  });

  it('refuses an older Kubernetes before it looks for kinds', async () => {
    const server = makeServer('30', [both]);
    await expect(checkCluster(server, once)).rejects.toMatchObject({
      code: 'CLUSTER_TOO_OLD',
      message: 'the API server is Kubernetes v1.30.0: LongPO needs 1.31 or later',
    });
    expect(server.asked).toEqual(['/version']);
  });

  it.each<[name: string, answer: unknown, kinds: string]>([
    ['both kinds', missing, 'LongPOTraining and LongPOServing'],
    ['one kind', { resources: [{ name: 'longpotrainings' }] }, 'LongPOServing'],
  ])('refuses a cluster without %s, and says how to install them', async (_, answer, kinds) => {
    await expect(checkCluster(makeServer('37', [answer]), once)).rejects.toMatchObject({
      code: 'KINDS_MISSING',
      message: expect.stringMatching(new RegExp(`does not know ${kinds} of .*kubectl apply`)),
    });
  });

  it('waits for kinds that are being installed', async () => {
    const server = makeServer('37', [missing, both]);
    expect(await checkCluster(server, { attempts: 2, pauseMs: 0 })).toBe('v1.37.0');
    expect(server.asked).toEqual(['/version', kindsPath, kindsPath]);
  });

  it('passes on what has nothing to do with the kinds', async () => {
    const refused = new ApiError(403, 'Forbidden', 'no');
    await expect(checkCluster(makeServer('37', [refused]), once)).rejects.toBe(refused);
  });
});
