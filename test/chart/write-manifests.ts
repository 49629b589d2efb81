/** Writes manifests/operator from the chart; needs Helm, which it builds into the cache. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openHelm } from './helm.ts';
import { operatorManifests, renderValues } from './operator-manifests.ts';
import { renderFiles } from './rendered.ts';

const folder = join(import.meta.dirname, '..', '..', 'manifests', 'operator');
const manifests = operatorManifests(await renderFiles(await openHelm(), ...renderValues));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [file, content] of manifests) {
  writeFileSync(join(folder, file), content);
  console.log(`wrote manifests/operator/${file}`);
}
