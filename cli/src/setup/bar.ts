/** SETUP: what a run needs on the machine. Here its progress bar: redrawn on a terminal, a few lines elsewhere. */

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Bar {
  update(share: number, note: string): void;
  end(): void;
}

const width = 16;
const quarters = 4;
const defaultColumns = 100;

/** `[######----------]  37 %` */
export function drawBar(share: number): string {
  const bounded = Math.min(Math.max(share, 0), 1);
  const filled = Math.round(bounded * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${String(Math.floor(bounded * 100)).padStart(3)} %`;
}

export function createBar(output: Output, label: string): Bar {
  const line = (share: number, note: string) => `  ${label} ${drawBar(share)}  ${note}`.trimEnd();
  if (output.isTTY) {
    const columns = () => (output.columns ?? defaultColumns) - 1;
    return {
      update: (share, note) => void output.write(`\r\x1b[2K${line(share, note).slice(0, columns())}`),
      end: () => void output.write('\n'),
    };
  }
  let printed = -1;
  return {
    update(share, note) {
      const quarter = Math.floor(share * quarters);
      if (quarter <= printed) return;
      printed = quarter;
      output.write(`${line(share, note)}\n`);
    },
    end() {},
  };
}
