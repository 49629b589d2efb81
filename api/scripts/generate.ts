/**
 * Writes what is generated from the contract: manifests/crds, the chart's templates of them and trainer/contract.
 * `--check` writes nothing and exits 1 when a file is stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { stringify } from 'yaml';
import type * as z from 'zod';
import { customResourceDefinitions } from '../src/crd.ts';
import * as api from '../src/index.ts';
import { contractSchema } from '../src/json-schema.ts';

const root = join(import.meta.dirname, '..', '..');

const contracts: Record<string, z.ZodType> = {
  'fetch-config': api.fetchConfig,
  'train-config': api.trainConfig,
  'verify-config': api.verifyConfig,
  'pod-result': api.podResult,
  'progress-report': api.progressReport,
  'checkpoint-manifest': api.checkpointManifest,
  'preference-row': api.preferenceRow,
  'model-config': api.modelConfig,
};

function* generated(): Generator<[path: string, content: string]> {
  for (const crd of customResourceDefinitions()) {
    const yaml = stringify(crd, { lineWidth: 110, aliasDuplicateObjects: false });
    const header = '# Generated from api/ by `npm run generate`. Do not edit.\n';
    yield [`manifests/crds/${crd.metadata?.name}.yaml`, header + yaml];
    yield [`charts/longpo/templates/crds/${crd.metadata?.name}.yaml`, header + chartTemplate(yaml)];
  }
  for (const [name, type] of Object.entries(contracts))
    yield [`trainer/contract/${name}.schema.json`, `${JSON.stringify(contractSchema(type), null, 2)}\n`];
}

/** The chart's switches around a CRD. Braces in a description are its own, not a template's. */
function chartTemplate(yaml: string): string {
  const escaped = yaml.replaceAll(/\{\{|\}\}/g, (braces) => `{{ "${braces}" }}`);
  const metadata = [
    '',
    '  labels: {{- include "longpo.labels" . | nindent 4 }}',
    '  {{- if .Values.crds.keep }}',
    '  annotations:',
    '    helm.sh/resource-policy: keep',
    '  {{- end }}',
  ].join('\n');
  const named = escaped.replace(/^metadata:\n {2}name: .*$/m, (name) => name + metadata);
  return `{{- if .Values.crds.install }}\n${named}{{- end }}\n`;
}

function current(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const check = process.argv.includes('--check');
let stale = 0;
for (const [path, content] of generated()) {
  const target = join(root, path);
  if (current(target) === content) continue;
  stale++;
  if (check) console.error(`stale: ${relative(root, target)}`);
  else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    console.log(`wrote ${relative(root, target)}`);
  }
}
if (check && stale > 0) {
  console.error('Run `npm run generate` and commit the result.');
  process.exitCode = 1;
}
