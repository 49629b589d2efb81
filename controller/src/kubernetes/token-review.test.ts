import { labels } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Resource, ResourceRef } from '../cluster.ts';
import { ApiError } from './api-error.ts';
import { verifyByTokenReview } from './token-review.ts';

const audience = 'longpo.dev/report';
const tokenOf = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const claims = (namespace: string) => ({ aud: [audience], 'kubernetes.io': { namespace } });

function accepted(more: object = {}) {
  return {
    authenticated: true,
    audiences: [audience],
    user: {
      username: 'system:serviceaccount:a:trainer',
      extra: {
        'authentication.kubernetes.io/pod-name': ['rank-0'],
        'authentication.kubernetes.io/pod-uid': ['uid-1'],
      },
    },
    ...more,
  };
}

const pod = (uid = 'uid-1', training = 'demo'): Resource => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'a', name: 'rank-0', uid, labels: { [labels.training]: training } },
});

interface World {
  status?: object | undefined;
  error?: Error;
  seen?: Resource | undefined;
  live?: Resource | undefined;
  /** Reviews are answered after it. */
  until?: Promise<void>;
}

function verifier(world: World) {
  const calls: string[] = [];
  let nowMs = 0;
  const reader = (name: string, found: () => Resource | undefined) => ({
    get: async ({ namespace, name: pod }: ResourceRef) => {
      calls.push(`${name} ${namespace}/${pod}`);
      return found();
    },
    list: async () => [],
  });
  const verify = verifyByTokenReview({
    transport: {
      call: async (method, path) => {
        calls.push(`${method} ${path}`);
        await world.until;
        if (world.error) throw world.error;
        return { status: world.status };
      },
    },
    cluster: {
      ...reader('seen', () => world.seen),
      live: reader('live', () => world.live),
    },
    now: () => nowMs,
  });
  const reviews = () => calls.filter((call) => call.startsWith('POST')).length;
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { verify, calls, reviews, pass };
}

const own = tokenOf(claims('a'));

describe('a bearer token', () => {
  it('may report for the training of its pod', async () => {
    const { verify, calls } = verifier({ status: accepted(), seen: pod() });
    expect(await verify(own, 'a', 'demo')).toBe('uid-1');
    expect(calls).toEqual(['POST /apis/authentication.k8s.io/v1/tokenreviews', 'seen a/rank-0']);
  });

  it('may report before its pod is in the copy', async () => {
    const { verify } = verifier({ status: accepted(), seen: undefined, live: pod() });
    expect(await verify(own, 'a', 'demo')).toBe('uid-1');
  });

  it.each<[string, World]>([
    ['is not authenticated', { status: { authenticated: false }, seen: pod() }],
    [
      'was accepted by a server that knows no audiences',
      { status: accepted({ audiences: undefined }), seen: pod() },
    ],
    ['is for another audience', { status: accepted({ audiences: ['api'] }), seen: pod() }],
    ['is a person’s', { status: accepted({ user: { username: 'jane' } }), seen: pod() }],
    [
      'is bound to no pod',
      { status: accepted({ user: { username: 'system:serviceaccount:a:trainer', extra: {} } }), seen: pod() },
    ],
    [
      'is of another namespace whatever it claims',
      {
        status: accepted({ user: { ...accepted().user, username: 'system:serviceaccount:b:trainer' } }),
        seen: pod(),
      },
    ],
    ['is of a predecessor of the pod', { status: accepted(), seen: pod('uid-2'), live: pod('uid-2') }],
    ['is of a pod that is gone', { status: accepted(), seen: undefined, live: undefined }],
    ['is of a pod of another training', { status: accepted(), seen: pod('uid-1', 'other') }],
    ['was reviewed without a result', { status: undefined, seen: pod() }],
  ])('may not report when it %s', async (_, world) => {
    expect(await verifier(world).verify(own, 'a', 'demo')).toBeUndefined();
  });

  it.each([
    ['no token at all', 'garbage'],
    ['claims that are no JSON', 'x.e30x.x'],
    ['null', 'x.bnVsbA.x'],
    ['another audience', tokenOf({ ...claims('a'), aud: ['api'] })],
    ['another namespace', tokenOf(claims('b'))],
    ['too many bytes', `${own}${'x'.repeat(20_000)}`],
  ])('costs the API server nothing when it shows %s', async (_, token) => {
    const { verify, calls } = verifier({ status: accepted(), seen: pod() });
    expect([await verify(token, 'a', 'demo'), calls]).toEqual([undefined, []]);
  });

  it('is reviewed once a minute, and once for reports that come together', async () => {
    const { verify, reviews, pass } = verifier({ status: accepted(), seen: pod() });
    await Promise.all([verify(own, 'a', 'demo'), verify(own, 'a', 'demo')]);
    pass(59_000);
    await verify(own, 'a', 'demo');
    expect(reviews()).toBe(1);
    pass(1_000);
    await verify(own, 'a', 'demo');
    expect(reviews()).toBe(2);
  });

  it('stops reporting with its pod, within the minute', async () => {
    const world: World = { status: accepted(), seen: pod() };
    const { verify } = verifier(world);
    expect(await verify(own, 'a', 'demo')).toBe('uid-1');
    world.seen = undefined;
    expect(await verify(own, 'a', 'demo')).toBeUndefined();
  });

  it('that asks for a training of others costs only a few looks, and its own reports go on', async () => {
    const { verify, calls, pass } = verifier({ status: accepted(), seen: pod(), live: pod() });
    const looks = () => calls.filter((call) => call.startsWith('live')).length;
    for (let ask = 0; ask < 50; ask++) expect(await verify(own, 'a', 'other')).toBeUndefined();
    expect(looks()).toBe(5);
    pass(2_000);
    await verify(own, 'a', 'other');
    expect(looks()).toBe(6);
    expect(await verify(own, 'a', 'demo')).toBe('uid-1');
  });

  it('waits with at most a hundred others, so that a flood does not leave a queue behind', async () => {
    const gate = Promise.withResolvers<void>();
    const { verify, reviews } = verifier({ status: accepted(), seen: pod(), until: gate.promise });
    const waiting = Array.from({ length: 100 }, (_, one) =>
      verify(tokenOf({ ...claims('a'), one }), 'a', 'demo'),
    );
    await expect(verify(own, 'a', 'demo')).rejects.toThrow('too many tokens wait');
    gate.resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['uid-1']));
    expect([await verify(own, 'a', 'demo'), reviews()]).toEqual(['uid-1', 101]);
  });

  it('is asked about again soon after a refusal, and at once after an error', async () => {
    const world: World = { status: { authenticated: false }, seen: pod() };
    const { verify, reviews, pass } = verifier(world);
    await verify(own, 'a', 'demo');
    await verify(own, 'a', 'demo');
    expect(reviews()).toBe(1);
    pass(2_000);
    world.error = new ApiError(500, 'InternalError', 'etcd');
    await expect(verify(own, 'a', 'demo')).rejects.toThrow('etcd');
    delete world.error;
    world.status = accepted();
    expect(await verify(own, 'a', 'demo')).toBe('uid-1');
  });
});
