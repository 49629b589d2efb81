import { expect, it } from 'vitest';
import { servicePorts } from './service-ports.ts';
import { makeService, makeServices, makeSlice } from './services.fixture.ts';

const ports = (...of: Parameters<typeof makeServices>) =>
  Object.fromEntries(servicePorts(makeServices(...of)));

it('leads each port of a ClusterIP to the port of that name on every ready pod', () => {
  const service = makeService('web', {
    clusterIP: '10.96.7.7',
    ports: [
      { name: 'http', port: 80 },
      { name: 'metrics', port: 9090 },
    ],
  });
  const slice = makeSlice(
    'web',
    [{ addresses: ['10.244.1.2'] }, { addresses: ['10.244.1.3'], conditions: { ready: false } }],
    [
      { name: 'http', port: 8080 },
      { name: 'metrics', port: 8081 },
    ],
  );
  expect(ports([service], [slice])).toEqual({
    '10.96.7.7:80': { address: '10.96.7.7', port: 80, targets: [{ host: '10.244.1.2', port: 8080 }] },
    '10.96.7.7:9090': { address: '10.96.7.7', port: 9090, targets: [{ host: '10.244.1.2', port: 8081 }] },
  });
});

it('keeps pods that are being ended in service while there are no others', () => {
  const draining = { ready: false, serving: true, terminating: true };
  const service = makeService('web', { clusterIP: '10.96.7.7' });
  const old = { addresses: ['10.244.1.2'], conditions: draining };
  const young = { addresses: ['10.244.1.3'], conditions: { ready: true } };
  const hostsWith = (...endpoints: (typeof old | typeof young)[]) =>
    ports([service], [makeSlice('web', endpoints)])['10.96.7.7:80']?.targets.map(({ host }) => host);
  expect([hostsWith(old), hostsWith(old, young)]).toEqual([['10.244.1.2'], ['10.244.1.3']]);
});

it('opens nothing for a Service without ready pods, without a ClusterIP, or over UDP', () => {
  const services = [
    makeService('web', { clusterIP: '10.96.7.7' }),
    makeService('gang', { clusterIP: 'None' }),
    makeService('dns', { clusterIP: '10.96.7.8', ports: [{ name: 'http', port: 53, protocol: 'UDP' }] }),
  ];
  const slices = [
    makeSlice('web', [{ addresses: ['10.244.1.2'], conditions: { ready: false } }]),
    makeSlice('gang', [{ addresses: ['10.244.1.3'] }]),
    makeSlice('dns', [{ addresses: ['10.244.1.4'] }]),
  ];
  expect(ports(services, slices)).toEqual({});
});
