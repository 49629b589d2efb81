/** Lines on a terminal: finished ones scroll away for good, the ones below are redrawn in place. */
import type { Output } from '../setup/bar.ts';

export interface TerminalLines {
  /** Writes `finished` above the region and draws the region anew. */
  draw(finished: string[], region: string[]): void;
  /** Leaves what is drawn; the next region begins below it. */
  release(): void;
}

const defaultColumns = 100;

export function createTerminalLines(out: Output): TerminalLines {
  let drawn: string[] = [];
  return {
    draw(finished, region) {
      // A line that wraps would take two rows, and the cursor would go up too few.
      const width = (out.columns ?? defaultColumns) - 1;
      const cut = region.map((line) => line.slice(0, width));
      if (finished.length === 0 && cut.join('\n') === drawn.join('\n')) return;
      const up = drawn.length > 0 ? `\x1b[${drawn.length}A` : '';
      out.write(`${up}\r\x1b[J${[...finished, ...cut].map((line) => `${line}\n`).join('')}`);
      drawn = cut;
    },
    release() {
      drawn = [];
    },
  };
}
