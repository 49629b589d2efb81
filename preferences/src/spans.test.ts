import { describe, expect, it } from 'vitest';
import { documentText, paragraph, wordCounter } from './fixture/index.ts';
import { packSpans } from './spans.ts';

const texts = (text: string, limit: number) => packSpans(text, limit, wordCounter).map((span) => span.text);

describe('spans', () => {
  it('are the whole text when it fits exactly, and two when one word more does not', () => {
    expect(texts(documentText('x'), 100)).toEqual([documentText('x')]);
    expect(packSpans(documentText('x'), 99, wordCounter).map(({ tokens }) => tokens)).toEqual([75, 25]);
  });

  it('pack as many paragraphs as fit, with what stands between them', () => {
    const text = `one two\n\nthree\n \t\nfour five\n\n\nsix seven`;
    expect(texts(text, 5)).toEqual(['one two\n\nthree\n \t\nfour five', 'six seven']);
    expect(texts(text, 3)).toEqual(['one two\n\nthree', 'four five', 'six seven']);
  });

  it('know paragraphs with carriage returns', () => {
    expect(texts('one two\r\n\r\nthree four', 3)).toEqual(['one two', 'three four']);
  });

  it('cut a paragraph that is too long at sentence ends, and a sentence that is too long at spaces', () => {
    expect(texts('One two. "Three four!" Five six? Seven', 4)).toEqual([
      'One two. "Three four!"',
      'Five six? Seven',
    ]);
    expect(texts(paragraph('w', 5), 2)).toEqual(['w-0 w-1', 'w-2 w-3', 'w-4']);
  });

  it('leave to the caller a word that nothing can cut', () => {
    const letters = { count: (text: string) => text.length };
    expect(packSpans('ab abcdefgh cd', 5, letters)).toEqual([
      { text: 'ab', tokens: 2 },
      { text: 'abcdefgh', tokens: 8 },
      { text: 'cd', tokens: 2 },
    ]);
  });

  it('stay below the limit when a text has more tokens than its parts', () => {
    // Two words more for every seam.
    const seams = { count: (text: string) => 3 * wordCounter.count(text) - 2 };
    const spans = packSpans(documentText('x'), 160, seams);
    expect(spans.map(({ text, tokens }) => [wordCounter.count(text), tokens])).toEqual([
      [50, 148],
      [50, 148],
    ]);
    for (const { tokens } of packSpans(paragraph('w', 40), 20, seams)) expect(tokens).toBeLessThanOrEqual(20);
  });

  it('count a long text a few times only, also when its sum is far from its count', () => {
    let counted = 0;
    const text = Array.from({ length: 300 }, (_, n) => paragraph(`p${n}`, 9)).join('\n\n');
    // Every paragraph but the first has one more token inside a text than by itself.
    const counter = {
      count: (part: string) => {
        counted += wordCounter.count(part);
        return wordCounter.count(part) + part.trim().split('\n\n').length - 1;
      },
    };
    const spans = packSpans(text, 1000, counter);
    expect(spans.map(({ tokens }) => tokens).filter((tokens) => tokens < 900 || tokens > 1000)).toEqual([
      expect.any(Number), // the rest
    ]);
    expect(counted / (300 * 9)).toBeLessThan(4);
  });

  it('are found in their text to the letter, and lose nothing but space', () => {
    const text = `  # Title\n\n${documentText('x')}\n\n\`\`\`\ncode  here\n\n  more\n\`\`\`\n\nEnd. Of it! `;
    for (let limit = 1; limit < 120; limit += 7) {
      const spans = texts(text, limit);
      expect(spans.filter((span) => !text.includes(span))).toEqual([]);
      expect(spans.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
    }
  });

  it('are none of a text without words', () => {
    expect(texts(' \n\n ', 5)).toEqual([]);
  });
});
