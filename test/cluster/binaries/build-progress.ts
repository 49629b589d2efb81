/** One line about a Go build: what it did so far and how long it takes. Redrawn on a terminal, rare elsewhere. */
import type { Output } from '../../../cli/src/setup/bar.ts';

export interface BuildProgress {
  /** Takes a line of `go build -v`, which names each package as it is compiled; always true, for the log. */
  read(line: string): boolean;
  end(): void;
}

const everyMs = { terminal: 1000, file: 30_000 };

/** `4m10s` */
export function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes}m${String(seconds % 60).padStart(2, '0')}s` : `${seconds}s`;
}

export function createBuildProgress(
  output: Output,
  label: string,
  usual: string,
  now: () => number = () => performance.now(),
): BuildProgress {
  const start = now();
  let compiled = 0;
  let downloaded = 0;
  const line = () => {
    const downloads = downloaded > 0 ? `${downloaded} modules downloaded, ` : '';
    return `${label}, ${elapsed(now() - start)}, ${downloads}${compiled} packages compiled (${usual})`;
  };
  const draw = () => output.write(output.isTTY ? `\r\x1b[2K${line()}` : `${line()}\n`);
  draw();
  const timer = setInterval(draw, output.isTTY ? everyMs.terminal : everyMs.file);
  return {
    read(text) {
      if (text.startsWith('go: downloading ')) downloaded++;
      else if (/^[\w.-]+(\/[\w.-]+)*$/.test(text)) compiled++;
      return true;
    },
    end() {
      clearInterval(timer);
      draw();
      if (output.isTTY) output.write('\n');
    },
  };
}
