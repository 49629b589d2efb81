/** A terminal for tests: interprets the few control sequences that we write, and refuses every other. */

export interface Screen {
  isTTY: true;
  columns: number;
  write(text: string): void;
  /** Rows from the top to the last that holds anything. */
  rows(): string[];
}

const controlStart = '\u001b[';

export function createScreen(columns: number): Screen {
  const rows: string[] = [''];
  let row = 0;
  let column = 0;
  const current = () => rows[row] ?? '';

  function newLine(): void {
    row++;
    column = 0;
    rows[row] ??= '';
  }

  function put(character: string): void {
    if (column === columns) newLine();
    rows[row] = current().slice(0, column).padEnd(column) + character + current().slice(column + 1);
    column++;
  }

  function control(count: number, command: string): void {
    if (command === 'A') row = Math.max(0, row - count);
    else if (command === 'J') {
      rows[row] = current().slice(0, column);
      rows.length = row + 1;
    } else if (command === 'K' && count === 2) rows[row] = '';
    else throw new Error(`unknown control sequence: ${count}${command}`);
  }

  function type(character: string): void {
    if (character === '\r') column = 0;
    else if (character === '\n') newLine();
    else put(character);
  }

  return {
    isTTY: true,
    columns,
    write(text) {
      for (const [n, part] of text.split(controlStart).entries()) {
        const [sequence = '', count, command = ''] = (n > 0 && /^(\d*)(.)/.exec(part)) || [];
        if (n > 0) control(Number(count || 1), command);
        for (const character of part.slice(sequence.length)) type(character);
      }
    },
    rows: () => rows.slice(0, rows.findLastIndex((line) => line !== '') + 1),
  };
}
