/** A progress bar: redrawn in place on a terminal, a few plain lines elsewhere. */

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const width = 16;
const plainStep = 0.25;

/** `[######------]  50 %` */
export function drawBar(share: number): string {
  const bounded = Math.min(Math.max(share, 0), 1);
  const filled = Math.round(bounded * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${String(Math.floor(bounded * 100)).padStart(3)} %`;
}

export function createBar(
  output: Output,
  label: string,
): { update(share: number, note: string): void; end(): void } {
  let printed = -plainStep;
  return {
    update(share, note) {
      const line = `  ${label} ${drawBar(share)} ${note}`;
      if (output.isTTY) output.write(`\r\x1b[2K${line.slice(0, (output.columns ?? 100) - 1)}`);
      else if (share >= printed + plainStep || share >= 1) {
        printed = share;
        output.write(`${line}\n`);
      }
    },
    end() {
      if (output.isTTY) output.write('\n');
    },
  };
}
