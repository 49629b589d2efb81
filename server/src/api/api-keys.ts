/** Keys that clients must bring, one a line of a file; read again when the file changes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';

/** A file that holds no key to compare with. */
export class ApiKeysError extends Error {
  readonly code = 'CONFIG_INVALID';
}

const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest();

function readDigests(file: string): Buffer[] {
  const lines = readFileSync(file, 'utf8').split(/\r?\n/);
  const keys = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  return keys.map(digestOf);
}

/** Changes with every way to replace a file: in place, by rename, by the links of a mounted Secret. */
function versionOf(file: string): string {
  const { ino, mtimeNs, size } = statSync(file, { bigint: true });
  return `${ino} ${mtimeNs} ${size}`;
}

export class ApiKeys {
  readonly #file: string;
  readonly #onUnreadable: (error: unknown) => void;
  #version: string;
  #digests: readonly Buffer[];

  /** Throws an ApiKeysError if the file cannot be read or has no key. */
  constructor(file: string, onUnreadable: (error: unknown) => void) {
    this.#file = file;
    this.#onUnreadable = onUnreadable;
    try {
      this.#version = versionOf(file);
      this.#digests = readDigests(file);
    } catch (error) {
      throw new ApiKeysError(
        `--api-key-file ${file}: cannot be read (${error instanceof Error ? error.message : error})`,
      );
    }
    if (this.#digests.length === 0)
      throw new ApiKeysError(`--api-key-file ${file}: has no key; write one a line`);
  }

  /** Takes as long for a wrong key as for a right one, whichever of them it is. */
  allows(key: string): boolean {
    this.#refresh();
    const given = digestOf(key);
    return this.#digests.reduce((found, digest) => timingSafeEqual(digest, given) || found, false);
  }

  /** While the file cannot be read, as in the middle of a rotation, the keys that were read last go on to hold. */
  #refresh(): void {
    try {
      const version = versionOf(this.#file);
      if (version === this.#version) return;
      this.#digests = readDigests(this.#file);
      this.#version = version;
    } catch (error) {
      if (this.#version !== '') this.#onUnreadable(error);
      this.#version = '';
    }
  }
}

/** The key of an Authorization header; empty without one. */
export const bearerOf = (header: string | undefined): string =>
  /^Bearer +(.*)$/i.exec(header ?? '')?.[1] ?? '';
