/** A LongPO checkpoint is what its manifest says, byte for byte, or it is refused. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckpointManifest, checkpointManifest, checkpointManifestFile } from '@longpo/api';
import { folderDigest, sha256OfFile } from './digest.ts';
import { ModelError } from './model-error.ts';

export async function readManifest(directory: string): Promise<CheckpointManifest> {
  const path = join(directory, checkpointManifestFile);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw new ModelError('CHECKPOINT_INVALID', `${path}: not JSON; publish the checkpoint again`);
  }
  const parsed = checkpointManifest.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ModelError('CHECKPOINT_INVALID', `${path}: field ${issue?.path.join('.')}: ${issue?.message}`);
  }
  if (folderDigest(parsed.data.files) !== parsed.data.digest) {
    throw new ModelError(
      'CHECKPOINT_INVALID',
      `${path}: digest does not name the files that the manifest lists`,
    );
  }
  return parsed.data;
}

/** Hashes every file of the manifest; throws at the first that is missing or differs. */
export async function verifyFiles(
  directory: string,
  manifest: CheckpointManifest,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  for (const { path, bytes } of manifest.files) {
    const file = join(directory, path);
    const found = await stat(file).catch(() => undefined);
    if (!found)
      throw new ModelError(
        'CHECKPOINT_FILE_MISSING',
        `${file}: listed in ${checkpointManifestFile}, missing`,
      );
    if (found.size !== bytes) {
      throw new ModelError('CHECKPOINT_CORRUPT', `${file}: expected ${bytes} bytes, found ${found.size}`);
    }
  }
  for (const { path, sha256 } of manifest.files) {
    const file = join(directory, path);
    const actual = await sha256OfFile(file, onBytes);
    if (actual !== sha256) {
      throw new ModelError('CHECKPOINT_CORRUPT', `${file}: expected sha256 ${sha256}, found ${actual}`);
    }
  }
}
