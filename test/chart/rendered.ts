/** The objects that the chart renders for some values. */
import { parseAllDocuments } from 'yaml';
import { chartFolder, type Helm } from './helm.ts';

export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}

/** File of the chart -> the objects that came from it. */
export type RenderedFiles = Map<string, Rendered[]>;

const sourceComment = /^# Source: longpo\/templates\/(.+)$/m;

/** As `helm install longpo charts/longpo -n longpo-system --set ...` would create them; hooks are among them. */
export async function renderFiles(helm: Helm, ...values: string[]): Promise<RenderedFiles> {
  const sets = values.flatMap((value) => ['--set', value]);
  const text = await helm('template', 'longpo', chartFolder, '--namespace', 'longpo-system', ...sets);
  const files: RenderedFiles = new Map();
  for (const part of text.split(/^---$/m)) {
    const file = sourceComment.exec(part)?.[1];
    if (file === undefined) continue;
    const objects = parseAllDocuments(part).map((document) => document.toJS() as Rendered | null);
    files.set(file, [...(files.get(file) ?? []), ...objects.filter((object) => object !== null)]);
  }
  return files;
}

export async function render(helm: Helm, ...values: string[]): Promise<Rendered[]> {
  return [...(await renderFiles(helm, ...values)).values()].flat();
}

/** The only object of a kind and name; throws when there is none. */
export function find(objects: readonly Rendered[], kind: string, name: string): Rendered {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`the chart renders no ${kind} ${name}`);
  return found;
}
