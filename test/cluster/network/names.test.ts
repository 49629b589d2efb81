import { describe, expect, it } from 'vitest';
import { recordTypes } from './dns-message.ts';
import { answerQuestion } from './names.ts';
import { makeService, makeServices, makeSlice } from './services.fixture.ts';

const ready = { conditions: { ready: true } };
const services = makeServices(
  [
    makeService('web', { clusterIP: '10.96.7.7' }),
    makeService('gang', { clusterIP: 'None' }),
    makeService('empty', { clusterIP: 'None' }),
    makeService('outside', { type: 'ExternalName', externalName: 'example.org' }),
  ],
  [
    makeSlice('web', [{ addresses: ['10.244.1.9'], ...ready }]),
    makeSlice('gang', [
      { addresses: ['10.244.1.2'], hostname: 'gang-0', ...ready },
      { addresses: ['10.244.1.3'], hostname: 'gang-1', conditions: { ready: false } },
      { addresses: ['10.244.1.4'], ...ready },
    ]),
  ],
);

const { A, PTR, SRV } = recordTypes;
const AAAA = 28;
const noSuchName = { code: 3, records: [] };

function answers(rows: [name: string, type: number, expected: object][]): void {
  const asked = rows.map(([name, type]) => [name, type, answerQuestion(services, name, type)]);
  expect(asked).toEqual(rows);
}

const addresses = (name: string, ...found: string[]) => ({
  code: 0,
  records: found.map((address) => ({ type: 'A', name, address })),
});

describe('a name of the cluster', () => {
  it('is the ClusterIP of a Service, in any case of letters', () => {
    answers([
      ['web.ml.svc.cluster.local', A, addresses('web.ml.svc.cluster.local', '10.96.7.7')],
      ['WEB.ml.svc.cluster.LOCAL', A, addresses('WEB.ml.svc.cluster.LOCAL', '10.96.7.7')],
    ]);
  });

  it('is the ready pods of a headless Service', () => {
    const name = 'gang.ml.svc.cluster.local';
    answers([[name, A, addresses(name, '10.244.1.2', '10.244.1.4')]]);
  });

  it('is one pod by its hostname, or by its address where it has none, once it is ready', () => {
    const [zero, dashes] = ['gang-0.gang.ml.svc.cluster.local', '10-244-1-4.gang.ml.svc.cluster.local'];
    answers([
      [zero, A, addresses(zero, '10.244.1.2')],
      [dashes, A, addresses(dashes, '10.244.1.4')],
      ['gang-1.gang.ml.svc.cluster.local', A, noSuchName],
    ]);
  });

  it('exists without an address of another family', () => {
    answers([
      ['web.ml.svc.cluster.local', AAAA, { code: 0, records: [] }],
      ['gang.ml.svc.cluster.local', AAAA, { code: 0, records: [] }],
    ]);
  });

  it('does not exist without a Service, without endpoints, in another namespace, or outside', () => {
    const names = ['none.ml', 'empty.ml', 'web.default', 'pod.web.ml', 'a.b.c.web.ml', 'ml', ''];
    answers([
      ...names.map((name): [string, number, object] => [`${name}.svc.cluster.local`, A, noSuchName]),
      ['example.org', A, noSuchName],
      ['svc.cluster.local', A, noSuchName],
    ]);
  });

  it('is another name for an ExternalName', () => {
    const name = 'outside.ml.svc.cluster.local';
    answers([[name, A, { code: 0, records: [{ type: 'CNAME', name, target: 'example.org' }] }]]);
  });

  it('tells where a named port is, of a Service and of pods', () => {
    const web = '_http._tcp.web.ml.svc.cluster.local';
    const gang = '_http._tcp.gang.ml.svc.cluster.local';
    answers([
      [
        web,
        SRV,
        { code: 0, records: [{ type: 'SRV', name: web, target: 'web.ml.svc.cluster.local', port: 80 }] },
      ],
      [
        gang,
        SRV,
        {
          code: 0,
          records: ['gang-0', '10-244-1-4'].map((label) => ({
            type: 'SRV',
            name: gang,
            target: `${label}.gang.ml.svc.cluster.local`,
            port: 8080,
          })),
        },
      ],
      ['_ftp._tcp.web.ml.svc.cluster.local', SRV, noSuchName],
    ]);
  });
});

it('turns addresses of pods with a hostname and of Services back into names', () => {
  const found = (name: string, target: string) => ({ code: 0, records: [{ type: 'PTR', name, target }] });
  const [pod, service] = ['2.1.244.10.in-addr.arpa', '7.7.96.10.in-addr.arpa'];
  answers([
    [pod, PTR, found(pod, 'gang-0.gang.ml.svc.cluster.local')],
    [service, PTR, found(service, 'web.ml.svc.cluster.local')],
    ['4.1.244.10.in-addr.arpa', PTR, noSuchName],
  ]);
});
