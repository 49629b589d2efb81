/** SHA-256 of files and of folders. A digest names content: the same bytes give the same digest anywhere. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Files of a plain model folder that decide what it answers. longpo-* files are ours, about a folder, not of it. */
const contentFile = /^(?!longpo-.*\.json$).+\.(json|safetensors|jinja|model|txt)$/;

export const contentFiles = (names: Iterable<string>): string[] =>
  [...names].filter((name) => contentFile.test(name)).sort();

export async function sha256OfFile(path: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 1 << 20 });
  for await (const chunk of chunks) {
    hash.update(chunk);
    onBytes?.(chunk.length);
  }
  return hash.digest('hex');
}

/** Of (path, sha256) pairs: sorted by path, one line each, as sha256sum prints them. */
export function folderDigest(files: readonly { path: string; sha256: string }[]): string {
  const hash = createHash('sha256');
  const ordered = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, sha256 } of ordered) hash.update(`${sha256}  ${path}\n`);
  return `sha256:${hash.digest('hex')}`;
}
