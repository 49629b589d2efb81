import { describe, expect, it } from 'vitest';
import { type ApiCall, countCalls, firstJobDelays, isOfLease, isWrite, parseAuditLine } from './api-call.ts';

const makeCall = (fields: Partial<ApiCall>): ApiCall => ({
  ...{ user: 'operator', verb: 'create', resource: 'jobs', namespace: 'a', name: 'x', status: 201 },
  ...{ answeredMs: 0, uri: '/' },
  ...fields,
});
const training = (name: string, answeredMs: number) =>
  makeCall({ resource: 'longpotrainings', user: 'somebody', name, answeredMs });

describe('parseAuditLine', () => {
  it('reads who did what to which object, and when to a microsecond', () => {
    const event = {
      ...{ kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'Metadata', stage: 'ResponseComplete' },
      requestURI: '/apis/longpo.dev/v1alpha1/namespaces/a/longpotrainings/x/status?fieldManager=longpo',
      verb: 'patch',
      user: { username: 'operator', groups: ['system:authenticated'] },
      objectRef: { resource: 'longpotrainings', subresource: 'status', namespace: 'a', name: 'x' },
      responseStatus: { metadata: {}, code: 200 },
      requestReceivedTimestamp: '2026-11-24T13:00:00.000001Z',
      stageTimestamp: '2026-11-24T13:00:01.250500Z',
    };
    expect(parseAuditLine(JSON.stringify(event))).toEqual({
      ...{ user: 'operator', verb: 'patch', resource: 'longpotrainings/status', namespace: 'a', name: 'x' },
      ...{ status: 200, answeredMs: Date.parse('2026-11-24T13:00:01Z') + 250.5, uri: event.requestURI },
    });
  });

  it('reads calls of no object, and timestamps of whole seconds', () => {
    const event = {
      verb: 'get',
      requestURI: '/version',
      user: { username: 'u' },
      stageTimestamp: '2026-11-24T13:00:01Z',
    };
    expect(parseAuditLine(JSON.stringify(event))).toEqual({
      ...{ user: 'u', verb: 'get', resource: '', namespace: '', name: '', status: 0, uri: '/version' },
      answeredMs: Date.parse('2026-11-24T13:00:01Z'),
    });
  });
});

describe('countCalls', () => {
  it('counts by verb and resource, the most frequent first', () => {
    const calls = [
      makeCall({}),
      makeCall({ verb: 'get' }),
      makeCall({ resource: 'pods' }),
      makeCall({ name: 'y' }),
    ];
    expect([...countCalls(calls)]).toEqual([
      ['create jobs', 2],
      ['create pods', 1],
      ['get jobs', 1],
    ]);
  });

  it('tells writes from reads, and the lease from the rest', () => {
    const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
    expect(verbs.filter((verb) => isWrite(makeCall({ verb })))).toEqual(verbs.slice(3));
    expect(['leases', 'jobs'].map((resource) => isOfLease(makeCall({ resource })))).toEqual([true, false]);
  });
});

describe('firstJobDelays', () => {
  it('takes the first Job of each training, in the order asked', () => {
    const calls = [
      ...[training('a-1', 100), training('a-10', 200)],
      ...[
        makeCall({ name: 'a-10-fetch-a1', answeredMs: 230 }),
        makeCall({ name: 'a-1-one-a1', answeredMs: 190 }),
      ],
      makeCall({ name: 'a-1-fetch-a1', answeredMs: 140 }),
    ];
    expect(firstJobDelays(calls, ['a-1', 'a-10'])).toEqual([40, 30]);
  });

  it('leaves out a training that has none, and Jobs that were refused', () => {
    const refused = makeCall({ name: 'a-1-fetch-a1', answeredMs: 140, status: 409 });
    expect(firstJobDelays([training('a-1', 100), training('a-2', 100), refused], ['a-1', 'a-2'])).toEqual([]);
  });
});
