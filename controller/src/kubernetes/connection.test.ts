import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inCluster, loadConnection } from './connection.ts';
import { Transport } from './transport.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-connection-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string | object) => {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return join(folder, name);
};

const kubeconfig = (name: string, user: object, cluster: object = {}) =>
  write(name, {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team-a' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
  });

const headersOf = async (user: object) =>
  (await loadConnection({ kubeconfig: kubeconfig('user', user) }).credentials()).headers;

describe('a connection', () => {
  it('is read from a kubeconfig file, with paths relative to it', async () => {
    write('ca.crt', 'CA');
    write('client.crt', 'CERT');
    write('client.key', 'KEY');
    const path = kubeconfig(
      'files',
      { 'client-certificate': 'client.crt', 'client-key': 'client.key' },
      { 'certificate-authority': 'ca.crt', 'tls-server-name': 'kubernetes.default.svc' },
    );
    const { server, namespace, tls, credentials } = loadConnection({ kubeconfig: path });
    expect({ server: server.href, namespace, tls, credentials: await credentials() }).toEqual({
      server: 'https://10.0.0.1:6443/',
      namespace: 'team-a',
      tls: { ca: Buffer.from('CA'), servername: 'kubernetes.default.svc' },
      credentials: { headers: {}, tls: { cert: Buffer.from('CERT'), key: Buffer.from('KEY') } },
    });
  });

  it.each([
    [{ token: 't' }, { authorization: 'Bearer t' }],
    [{ username: 'u', password: 'p' }, { authorization: 'Basic dTpw' }],
    [
      { token: 't', as: 'jane' },
      { authorization: 'Bearer t', 'impersonate-user': 'jane' },
    ],
    [{}, {}],
  ])('proves who we are as %j says', async (user, headers) => {
    expect(await headersOf(user)).toEqual(headers);
  });

  it('reads a token file again when what it read is refused', async () => {
    write('token', 'first\n');
    const connection = loadConnection({ kubeconfig: kubeconfig('token-file', { tokenFile: 'token' }) });
    const header = async () => (await connection.credentials()).headers.authorization;
    expect(await header()).toBe('Bearer first');
    write('token', 'second\n');
    expect(await header()).toBe('Bearer first');
    connection.refresh();
    expect(await header()).toBe('Bearer second');
  });

  it('looks again at once for a token file that was missing for a moment', async () => {
    const connection = loadConnection({ kubeconfig: kubeconfig('late', { tokenFile: 'late-token' }) });
    await expect(connection.credentials()).rejects.toThrow('late-token');
    write('late-token', 'here');
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer here' });
  });

  it('asks an exec plugin, and again only when its answer was refused', async () => {
    const script = `
      const fs = require('node:fs');
      const runs = fs.existsSync(process.env.RUNS) ? Number(fs.readFileSync(process.env.RUNS)) + 1 : 1;
      fs.writeFileSync(process.env.RUNS, String(runs));
      const { apiVersion, kind } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      console.log(JSON.stringify({ apiVersion, kind, status: { token: kind + '-' + runs } }));`;
    const connection = loadConnection({
      kubeconfig: kubeconfig('exec', {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: process.execPath,
          args: ['-e', script],
          env: [{ name: 'RUNS', value: join(folder, 'runs') }],
        },
      }),
    });
    const header = async () => (await connection.credentials()).headers;
    expect(await header()).toEqual({ authorization: 'Bearer ExecCredential-1' });
    expect(await header()).toEqual({ authorization: 'Bearer ExecCredential-1' });
    connection.refresh();
    expect(await header()).toEqual({ authorization: 'Bearer ExecCredential-2' });
  });

  it('fails with what an exec plugin said', async () => {
    const exec = {
      command: process.execPath,
      args: ['-e', 'console.error("log in first"); process.exit(1)'],
    };
    await expect(headersOf({ exec })).rejects.toThrow('log in first');
  });

  it('is a pod’s service account in a cluster', async () => {
    write('ca.crt', 'CA');
    write('token', 'pod-token');
    write('namespace', 'longpo-system');
    const { server, namespace, tls, credentials } = inCluster('fd00::1', '443', folder);
    expect([server.href, namespace, tls, (await credentials()).headers]).toEqual([
      'https://[fd00::1]/',
      'longpo-system',
      { ca: Buffer.from('CA') },
      { authorization: 'Bearer pod-token' },
    ]);
  });

  it('takes the entries of several files, the first that has one', async () => {
    const first = write('first', { users: [{ name: 'u', user: { token: 'first' } }] });
    const second = kubeconfig('second', { token: 'second' });
    const connection = loadConnection({ environment: { KUBECONFIG: `${first}:${second}` } });
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer first' });
  });

  it.each<[string, () => string | undefined, string]>([
    ['nothing is set', () => undefined, 'no cluster to connect to'],
    [
      'the context is not there',
      () => write('none', { 'current-context': 'y' }),
      'there is no context named "y"',
    ],
    [
      'it needs a proxy',
      () => kubeconfig('proxy', {}, { 'proxy-url': 'http://p' }),
      'proxy-url is not supported',
    ],
    [
      'it needs a provider that Kubernetes has dropped',
      () => kubeconfig('provider', { 'auth-provider': { name: 'gcp' } }),
      'use its exec plugin',
    ],
  ])('says what is wrong when %s', (_, path, message) => {
    const kubeconfig = path();
    expect(() => loadConnection({ kubeconfig })).toThrow(message);
  });
});

describe('TLS', () => {
  it('proves both sides: the server by its CA and name, the client by its certificate', async () => {
    const certificate = (name: string) => {
      const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
      const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
      const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      execFileSync('openssl', [...make, '-keyout', key, '-out', cert, ...names], { stdio: 'pipe' });
      return { key: readFileSync(key), cert: readFileSync(cert) };
    };
    const [server, client] = [certificate('api.test'), certificate('client.test')];
    const https = createServer(
      { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true },
      (request, response) =>
        response.end(JSON.stringify((request.socket as TLSSocket).getPeerCertificate().subject)),
    );
    await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve));
    const call = async (cluster: object, user: object) => {
      const address = { server: `https://127.0.0.1:${(https.address() as AddressInfo).port}` };
      const path = kubeconfig('tls', user, { ...address, ...cluster });
      const transport = new Transport(loadConnection({ kubeconfig: path }), { attempts: 1 });
      const answer = await transport.call('GET', '/').catch((error: Error) => error.message);
      transport.close();
      return answer;
    };
    const trusted = { 'certificate-authority': 'api.test.crt', 'tls-server-name': 'api.test' };
    const known = {
      'client-certificate-data': client.cert.toString('base64'),
      'client-key-data': client.key.toString('base64'),
    };
    expect(await call(trusted, known)).toEqual({ CN: 'client.test' });
    expect(await call({ 'insecure-skip-tls-verify': true }, known)).toEqual({ CN: 'client.test' });
    expect(await call({ ...trusted, 'tls-server-name': 'other.test' }, known)).toContain('other.test');
    expect(await call({ 'tls-server-name': 'api.test' }, known)).toContain('self-signed');
    expect(await call(trusted, {})).toMatch(/^GET \/: /);
    https.closeAllConnections();
    await new Promise((resolve) => https.close(resolve));
  });
});
