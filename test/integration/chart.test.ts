/** What charts/longpo renders, without a cluster. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { customResourceDefinitions } from '../../api/src/crd.ts';
import { controllerConfig } from '../../controller/src/config/schema.ts';
import { grantsOf, operatorRoles, roleWithout, titleOf } from '../chart/grants.ts';
import { chartFolder, type Helm, openHelm } from '../chart/helm.ts';
import { operatorManifests, renderValues } from '../chart/operator-manifests.ts';
import { find, type Rendered, render, renderFiles } from '../chart/rendered.ts';

const manifests = join(import.meta.dirname, '..', '..', 'manifests');
const buildTimeout = 600_000;

let helm: Helm;
beforeAll(async () => {
  helm = await openHelm();
}, buildTimeout);

const nameOf = ({ kind, metadata }: Rendered) => `${kind}/${metadata.name}`;
const read = (...path: string[]) => readFileSync(join(...path), 'utf8');
const yaml = (...path: string[]): unknown => parse(read(...path));

describe('the manifests for people without Helm', () => {
  it('are what the chart renders with its default values', async () => {
    const rendered = operatorManifests(await renderFiles(helm, ...renderValues));
    const folder = join(manifests, 'operator');
    const written = readdirSync(folder).map((file) => [file, read(folder, file)]);
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(rendered));
  });

  it('are all in the kustomization', () => {
    const { resources } = yaml(manifests, 'kustomization.yaml') as { resources: string[] };
    const files = ['crds', 'operator'].flatMap((folder) =>
      readdirSync(join(manifests, folder)).map((file) => `${folder}/${file}`),
    );
    expect(resources.toSorted()).toEqual([...files, 'namespace.yaml'].toSorted());
  });
});

describe('the operator config', () => {
  async function configOf(...values: string[]) {
    const { data } = find(await render(helm, ...values), 'ConfigMap', 'longpo-controller');
    return controllerConfig.parse(parse((data as Record<string, string>)['config.yaml'] ?? ''));
  }

  it('is one that the operator reads, with its own defaults', async () => {
    const images = {
      fetch: 'ghcr.io/longpo/trainer:0.1.0',
      generate: 'ghcr.io/longpo/server:0.1.0',
      train: 'ghcr.io/longpo/trainer:0.1.0',
      verify: 'ghcr.io/longpo/trainer:0.1.0',
      serve: 'ghcr.io/longpo/server:0.1.0',
      vllm: 'docker.io/vllm/vllm-openai:v0.33.0',
    };
    const reportBaseUrl = 'http://longpo-controller.longpo-system.svc:8080';
    expect(await configOf()).toEqual(controllerConfig.parse({ images, reportBaseUrl }));
  });

  it('takes what the values say', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const config = await configOf(
      'imageRegistry=mirror.example/longpo',
      `images.trainer=mirror.example/other@${digest}`,
      'reportBaseUrl=https://longpo.example',
      'watchNamespaces={team-a,team-b}',
      'config.concurrency=8',
      'config.leaderElection.leaseDurationSeconds=30',
    );
    expect(config).toMatchObject({
      images: { train: `mirror.example/other@${digest}`, serve: 'mirror.example/longpo/server:0.1.0' },
      reportBaseUrl: 'https://longpo.example',
      watchNamespaces: ['team-a', 'team-b'],
      concurrency: 8,
      leaderElection: { leaseDurationSeconds: 30, renewDeadlineSeconds: 10 },
    });
  });

  it('starts new pods when it changes', async () => {
    const hashOf = async (...values: string[]) => {
      const { spec } = find(await render(helm, ...values), 'Deployment', 'longpo-controller');
      const { template } = spec as { template: Rendered };
      return template.metadata.annotations?.['longpo.dev/config-hash'];
    };
    const [before, same, after] = [await hashOf(), await hashOf(), await hashOf('config.qps=51')];
    expect({ isSame: before === same, isChanged: before !== after }).toEqual({
      isSame: true,
      isChanged: true,
    });
  });
});

describe('the kinds', () => {
  const crdsOf = async (...values: string[]) =>
    (await render(helm, ...values)).filter(({ kind }) => kind === 'CustomResourceDefinition');

  it('are those of api/', async () => {
    const bare = (await crdsOf()).map(({ metadata: { name }, ...rest }) => ({ ...rest, metadata: { name } }));
    const byName = (crds: { metadata?: { name?: string } }[]) =>
      Object.fromEntries(crds.map((crd) => [crd.metadata?.name, crd]));
    expect(byName(bare)).toEqual(byName(customResourceDefinitions()));
  });

  it('stay after the release unless the values say otherwise', async () => {
    const policies = async (...values: string[]) =>
      (await crdsOf(...values)).map(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy']);
    expect({
      default: await policies(),
      notKept: await policies('crds.keep=false'),
      notInstalled: await policies('crds.install=false'),
    }).toEqual({ default: ['keep', 'keep'], notKept: [undefined, undefined], notInstalled: [] });
  });
});

describe('the rights of the operator', () => {
  const namespaced = ['longpotrainings', 'jobs', 'pods'];

  it('name no wildcard, and nothing that holds secrets or gives rights', async () => {
    const forbidden =
      /\*|secrets|configmaps|serviceaccounts|roles|bindings|exec|attach|token$|nodes|escalate|impersonate/;
    expect(
      grantsOf(await render(helm))
        .map(titleOf)
        .filter((title) => forbidden.test(title)),
    ).toEqual([]);
  });

  it('have a Lease of one name, in the namespace of the release alone', async () => {
    const leases = grantsOf(await render(helm)).filter(({ resource }) => resource === 'leases');
    const lease = {
      role: 'Role/longpo-system/longpo-controller-lease',
      group: 'coordination.k8s.io',
      resource: 'leases',
    };
    expect(leases).toEqual([
      { ...lease, verb: 'create' },
      { ...lease, verb: 'get', resourceName: 'longpo-controller' },
      { ...lease, verb: 'update', resourceName: 'longpo-controller' },
    ]);
  });

  it('are one Role per watched namespace, and cluster-wide the review of tokens only', async () => {
    const [everywhere, watched] = [
      grantsOf(await render(helm)),
      grantsOf(await render(helm, 'watchNamespaces={team-a,team-b}')),
    ];
    const titlesIn = (role: string, grants = watched) =>
      grants.filter((grant) => grant.role === role).map(titleOf);
    const clusterRole = 'ClusterRole/longpo-system:longpo-controller';
    const all = titlesIn(clusterRole, everywhere);
    const review = 'create authentication.k8s.io tokenreviews';
    expect(titlesIn(clusterRole)).toEqual([review]);
    for (const namespace of ['team-a', 'team-b'])
      expect(titlesIn(`Role/${namespace}/longpo-controller`)).toEqual(
        all.filter((title) => title !== review),
      );
    expect(all.filter((title) => namespaced.some((name) => title.endsWith(` ${name}`)))).not.toEqual([]);
  });

  it('can be taken away one by one', async () => {
    const objects = await render(helm);
    const grants = grantsOf(objects);
    const titles = grants.map(titleOf);
    expect(titles).toEqual([...new Set(titles)]);
    for (const grant of grants) {
      const role = roleWithout(objects, grant);
      const changed = objects.map((object) => (nameOf(object) === nameOf(role) ? role : object));
      expect(grantsOf(changed).map(titleOf)).toEqual(titles.filter((title) => title !== titleOf(grant)));
    }
  });

  it('leave the roles for people unbound', async () => {
    expect(operatorRoles(await render(helm)).map(nameOf)).toEqual([
      'ClusterRole/longpo-system:longpo-controller',
      'Role/longpo-controller-lease',
    ]);
  });
});

describe('the values', () => {
  it.each([
    ['a misspelt name', 'replica=3', "'replica'"],
    ['a misspelt name further in', 'config.leaderElection.leaseDuration=3', "'leaseDuration'"],
    ['another level of logging', 'config.logLevel=trace', '/config/logLevel'],
    ['an image without a version', 'images.trainer=example/trainer', '/images/trainer'],
    ['no replica', 'replicas=0', '/replicas'],
    ['words for a switch', 'crds.keep=yes', '/crds/keep'],
    ['no service account at all', 'serviceAccount.create=false', '/serviceAccount/name'],
    ['a namespace that cannot be', 'watchNamespaces={Team}', '/watchNamespaces/0'],
    ['a quantity that is none', 'resources.limits.memory=lots', '/resources/limits/memory'],
  ])('refuse %s by its name', async (_case, value, field) => {
    await expect(helm('template', 'longpo', chartFolder, '--set', value)).rejects.toThrow(field);
  });

  it('are the same in values.yaml and in the schema', () => {
    interface Schema {
      properties?: Record<string, Schema>;
    }
    const inSchema = ({ properties = {} }: Schema, path = ''): string[] =>
      Object.entries(properties).flatMap(([name, inner]) =>
        inner.properties ? inSchema(inner, `${path}/${name}`) : [`${path}/${name}`],
      );
    const inValues = (value: object, known: ReadonlySet<string>, path = ''): string[] =>
      Object.entries(value).flatMap(([name, inner]) =>
        known.has(`${path}/${name}`) ? [`${path}/${name}`] : inValues(inner ?? {}, known, `${path}/${name}`),
      );
    const schema = inSchema(JSON.parse(read(chartFolder, 'values.schema.json')) as Schema);
    const values = inValues(yaml(chartFolder, 'values.yaml') as object, new Set(schema));
    // Helm's own, which a parent chart sets.
    expect(['/global', ...values].toSorted()).toEqual(schema.toSorted());
  });
});
