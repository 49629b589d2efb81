import { describe, expect, it } from 'vitest';
import type { ApiCall } from './api-call.ts';
import { burstText, delayRow, lifeText, restText } from './report.ts';

const makeCall = (verb: string, status = 200): ApiCall => ({
  ...{ user: 'operator', verb, resource: 'jobs', namespace: 'a', name: 'x', status, answeredMs: 0, uri: '/' },
});

describe('the report', () => {
  it('has a line for each life, and the median of every call and event', () => {
    const life = (calls: ApiCall[], events: [string, number][]) => ({
      ...{ calls, events: new Map(events), cpuMs: 30, reconciles: 10, seconds: 4 },
    });
    const text = lifeText([
      life([makeCall('get'), makeCall('patch', 409)], [['pods', 3]]),
      life([makeCall('get'), makeCall('get')], [['pods', 5]]),
    ]);
    expect(text.split('\n').map((line) => line.trim().replaceAll(/ {2,}/g, '|'))).toEqual([
      'seconds|API calls|writes|refused|watch events|reconciles|CPU-ms/reconcile',
      expect.any(String),
      '4.0|2|1|1|3|10|3.0',
      '4.0|2|0|0|5|10|3.0',
      '',
      'API call|median of a life|each life',
      expect.any(String),
      'get jobs|2|1, 2',
      'patch jobs|1|1, 0',
      '',
      'of them refused|median of a life|each life',
      expect.any(String),
      '409 patch jobs|1|1, 0',
      '',
      'watch events of|median of a life|each life',
      expect.any(String),
      'pods|5|3, 5',
    ]);
  });

  it('says how many were measured, and has no figure where there was none', () => {
    expect([delayRow('alone', [20, 10, 30]), delayRow('none', [])]).toEqual([
      ['alone', '3', '20 ms', '30 ms', '30 ms'],
      ['none', '0', '-', '-', '-'],
    ]);
    expect(burstText({ delays: [1, 2], creationMs: 100, wholeMs: 12_000 })).toBe(
      '2 trainings made within 100 ms, the last Job 12.0 s after the first training',
    );
  });

  it('names the writes that should not be, and that it never came to rest', () => {
    const rest = {
      isAtRest: false,
      writes: ['patch jobs x'],
      leaseWrites: 5,
      reads: 2,
      reconciles: 1,
      cpuMs: 12.3,
    };
    expect(restText(rest, 200, 60)).toBe(
      '200 trainings at rest for 60 s (it never came to rest before): 1 writes beside 5 of the lease, ' +
        '2 reads, 1 reconciles, 12 ms of CPU\n    patch jobs x',
    );
  });
});
