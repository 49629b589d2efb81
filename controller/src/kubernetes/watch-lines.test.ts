import { describe, expect, it } from 'vitest';
import { type WatchLine, watchLines } from './watch-lines.ts';

async function read(chunks: string[], maxBytes?: number) {
  const seen: WatchLine[] = [];
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
  }
  try {
    for await (const line of watchLines(body(), maxBytes)) seen.push(line);
    return { seen };
  } catch (error) {
    return { seen, error: (error as Error).message };
  }
}

const line = (name: string) => JSON.stringify({ type: 'ADDED', object: { name } });
const utf8 = (text: string) => Buffer.from(text).toString('latin1');

describe('watch lines', () => {
  it('are the same however the body is cut', async () => {
    const body = utf8(`${line('zwölf')}\n\n${line('x')}\r\n${line('🐙')}\n`);
    const whole = await read([body]);
    expect(whole.seen.map(({ object }) => object)).toEqual([
      { name: 'zwölf' },
      { name: 'x' },
      { name: '🐙' },
    ]);
    for (let cut = 0; cut <= body.length; cut++)
      expect(await read([body.slice(0, cut), body.slice(cut)])).toEqual(whole);
    expect(await read([...body])).toEqual(whole);
  });

  it('are refused when they are no JSON, have no type, or are cut off', async () => {
    const error = async (text: string) => (await read([`${line('x')}\n${text}`])).error;
    expect(await error('{"type":\n')).toBe('a line of the watch is not JSON');
    expect(await error('null\n')).toBe('a line of the watch has no type');
    expect(await error('{"kind":"Status"}\n')).toBe('a line of the watch has no type');
    expect(await error('{"type":"ADD')).toBe('the watch ended within a line');
  });

  it('are bounded, over all the chunks of a line', async () => {
    const { seen, error } = await read([`${line('x')}\n`, 'a'.repeat(60), 'a'.repeat(60)], 100);
    expect(seen).toHaveLength(1);
    expect(error).toBe('a line of the watch has more than 100 bytes');
  });
});
