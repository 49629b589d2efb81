/** manifests/operator: what the chart renders with its default values, for `kubectl apply -k`. Pure. */
import { stringify } from 'yaml';
import type { Rendered, RenderedFiles } from './rendered.ts';

export const renderValues = ['crds.install=false'];

const header =
  '# What charts/longpo renders with its default values: `node test/chart/write-manifests.ts`. Do not edit.\n';

/** Said by Helm of a release; nobody's here. */
const helmLabels = ['app.kubernetes.io/managed-by', 'helm.sh/chart'];

/** Path below manifests/operator -> content. */
export function operatorManifests(files: RenderedFiles): Map<string, string> {
  const manifests = new Map<string, string>();
  for (const [file, objects] of files) {
    const own = objects.filter((object) => object.metadata.annotations?.['helm.sh/hook'] === undefined);
    if (own.length === 0) continue;
    const documents = own.map((object) => stringify(withoutHelm(object), { lineWidth: 110 }));
    manifests.set(file, header + documents.join('---\n'));
  }
  return manifests;
}

function withoutHelm(object: Rendered): Rendered {
  const labels = Object.entries(object.metadata.labels ?? {}).filter(([name]) => !helmLabels.includes(name));
  return { ...object, metadata: { ...object.metadata, labels: Object.fromEntries(labels) } };
}
