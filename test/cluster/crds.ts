/** The custom resources of this repository, in a bed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bed } from './bed/bed.ts';

const folder = join(import.meta.dirname, '..', '..', 'manifests', 'crds');

/** Applies manifests/crds and waits until the API server serves them. */
export async function applyCrds(bed: Bed): Promise<void> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const manifest = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n---\n');
  // Server-side: the schemas are longer than the annotation of a client-side apply may be.
  await bed.apply(manifest, '--server-side');
  await bed.kubectl('wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all');
}
