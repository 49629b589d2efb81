/**
 * How far a `pip install` is, from its output. Pure. Bytes of downloads count, since torch alone is a sixth of
 * all; pip 24.1 and newer tell them as they come (`--progress-bar raw`), older ones once a wheel begins. Then the
 * packages in site-packages count.
 */

export interface PipProgress {
  /** Takes a line of the output; says whether it is worth a log. */
  read(line: string): boolean;
  /** Packages installed so far. */
  installed(count: number): void;
}

/** Downloads are this much of the bar, unpacking the rest. */
const downloadShare = 0.7;
const units: Record<string, number> = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

const sizePattern = /^\s*(?:Downloading|Using cached) (?:\S*\/)?([^\s/]+) \(([\d.]+) (bytes|kB|MB|GB)\)/;
const rawPattern = /^Progress (\d+) of (\d+)$/;
const collectedPattern = /^Installing collected packages: (.+)$/;
const nameOf = (wheel: string): string => wheel.split('-')[0] ?? wheel;

export function createPipProgress(
  expectedBytes: number,
  onProgress: (share: number, note: string) => void,
): PipProgress {
  let finished = 0;
  /** Of the wheel on its way. */
  let size = 0;
  let name = '';
  let packages = 0;

  function downloaded(bytes: number): void {
    const share = Math.min(bytes / Math.max(expectedBytes, bytes, 1), 1);
    onProgress(downloadShare * share, `${name} (${(bytes / 1e6).toFixed(0)} MB so far)`);
  }

  function installing(count: number): void {
    // One more: what pip does after the last package.
    const share = Math.min(count, packages) / (packages + 1);
    onProgress(downloadShare + (1 - downloadShare) * share, `installing ${count}/${packages} packages`);
  }

  return {
    read(line) {
      const [, wheel, amount, unit] = sizePattern.exec(line) ?? [];
      if (wheel !== undefined && unit !== undefined) {
        finished += size;
        size = Number(amount) * (units[unit] ?? 0);
        name = nameOf(wheel);
        downloaded(finished);
      }
      const raw = rawPattern.exec(line)?.[1];
      if (raw !== undefined) downloaded(finished + Number(raw));
      const collected = collectedPattern.exec(line)?.[1];
      if (collected !== undefined) {
        packages = collected.split(',').length;
        installing(0);
      }
      return raw === undefined;
    },
    installed(count) {
      if (packages > 0) installing(count);
    },
  };
}
