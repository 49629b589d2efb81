import { Resolver } from 'node:dns/promises';
import { expect, it, onTestFinished } from 'vitest';
import { DnsServer } from './dns-server.ts';
import { answerQuestion } from './names.ts';
import { makeService, makeServices, makeSlice } from './services.fixture.ts';

it("answers Node's resolver, over TCP where there are too many pods for a datagram", async () => {
  const pods = Array.from({ length: 60 }, (_, index) => ({ addresses: [`10.244.1.${index + 2}`] }));
  const services = makeServices(
    [makeService('web', { clusterIP: '10.96.7.7' }), makeService('gang', { clusterIP: 'None' })],
    [makeSlice('gang', pods)],
  );
  const server = new DnsServer({
    address: '127.0.0.1',
    port: 0,
    answer: ({ name, type }) => answerQuestion(services, name, type),
  });
  await server.listen();
  onTestFinished(() => server.close());
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.port}`]);
  const codeOf = (promise: Promise<unknown>) => promise.catch((error) => error.code);
  expect({
    service: await resolver.resolve4('web.ml.svc.cluster.local'),
    pods: await resolver.resolve4('gang.ml.svc.cluster.local'),
    name: await resolver.reverse('10.96.7.7'),
    port: await resolver.resolveSrv('_http._tcp.web.ml.svc.cluster.local'),
    otherFamily: await codeOf(resolver.resolve6('web.ml.svc.cluster.local')),
    unknown: await codeOf(resolver.resolve4('none.ml.svc.cluster.local')),
  }).toEqual({
    service: ['10.96.7.7'],
    pods: pods.flatMap(({ addresses }) => addresses),
    name: ['web.ml.svc.cluster.local'],
    port: [{ name: 'web.ml.svc.cluster.local', port: 80, priority: 0, weight: 100, type: 'SRV' }],
    otherFamily: 'ENODATA',
    unknown: 'ENOTFOUND',
  });
});
