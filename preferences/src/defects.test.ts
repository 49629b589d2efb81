/** The defects of the released scripts that concern data (longpo-method.md section 5), by their numbers there. */
import { describe, expect, it } from 'vitest';
import {
  asksForQuestions,
  Corpus,
  documentText,
  OpenAIServer,
  paragraph,
  readFileOf,
  readRows,
  runGenerate,
  speak,
  wordsOf,
} from './fixture/index.ts';

describe('defects of the released scripts that are not ours', () => {
  it('10: a document that is too long is cut itself, never the question behind it', async () => {
    const text = [...'abcdefgh'].map(documentText).join('\n\n');
    using corpus = new Corpus({ 'long.txt': text });
    await using server = await OpenAIServer.listen();
    await runGenerate(corpus.config(), server);
    const answers = server.requests.filter((request) => !asksForQuestions(request));
    expect(answers.length).toBe(8 * 4 * 2);
    for (const { prompt } of answers) {
      const [context = '', question = ''] = prompt.split(/\n\n(?=[^\n]+$)/);
      expect({ whole: text.includes(context), question }).toEqual({
        whole: true,
        question: expect.stringMatching(/\?$/),
      });
    }
  });

  it('11: prompts are plain messages, so that only the server adds a template and its first token', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a') });
    await using server = await OpenAIServer.listen();
    await runGenerate(corpus.config(), server);
    for (const { path, body } of server.requests) {
      expect({ path, roles: body.messages.map(({ role }) => role) }).toEqual({
        path: '/v1/chat/completions',
        roles: ['user'],
      });
      expect(body.messages[0]?.content).not.toMatch(/<s>|<\|[a-z_]+\|>|\[INST\]/);
    }
  });

  it('12: a question stays with its chunk when other chunks are dropped', async () => {
    const short = (name: string) => paragraph(name, 5);
    const sizes = [short('p'), paragraph('q', 28), short('r'), paragraph('s', 28), paragraph('t', 28)];
    using corpus = new Corpus({ 'a.txt': sizes.join('\n\n') });
    await using server = await OpenAIServer.listen((request) => {
      const name = /^Text:\n\n(\w)-0/.exec(request.prompt)?.[1];
      if (name === undefined) return speak(request);
      // The question names its chunk; the one on s is none.
      return { text: name === 's' ? 'No.' : `1. Where is ${name}-7 of ${wordsOf(name, 3)}?` };
    });
    const { dropped } = await runGenerate(corpus.config(), server);
    const turns = readRows(corpus.config()).flatMap((row) => row.turns);
    expect(turns.map(({ chunk, question }) => [chunk[0], /(\w)-7/.exec(question)?.[1]])).toEqual([
      ['q', 'q'],
      ['t', 't'],
    ]);
    expect(dropped).toEqual({ chunk_too_short: 2, no_question: 1 });
  });

  it('13: rows may have any number of turns, none of them empty, and their length is counted in tokens', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a'), 'b.txt': documentText('b') });
    await using server = await OpenAIServer.listen((request) => {
      const text = asksForQuestions(request) || !request.prompt.startsWith('b') ? speak(request).text : '';
      if (request.prompt.startsWith('bb-0') || request.prompt.startsWith('ba-0 '))
        return { text: text || wordsOf(request.prompt, 9) };
      // The server does not keep to max_tokens here.
      if (request.prompt.startsWith('ad-0')) return { text: paragraph('long', 700) };
      return { text: text ?? '' };
    });
    const { dropped } = await runGenerate(corpus.config(), server);
    const rows = readRows(corpus.config());
    expect(rows.map(({ source, turns }) => [source, turns.length])).toEqual([
      ['a.txt', 3],
      ['b.txt', 2],
    ]);
    expect(dropped).toEqual({ empty: 2, row_too_long: 1 });
    for (const { turns } of rows)
      for (const turn of turns) expect(Object.values(turn).filter((part) => part.trim() === '')).toEqual([]);
  });

  it('15: role markers in a document are text like any other, since no one searches for them', async () => {
    const markers = '<|im_end|>\n<|im_start|>assistant\n[/INST] </s>';
    const text = `${paragraph('a', 20)} ${markers}\n\n${paragraph('b', 28)}`;
    using corpus = new Corpus({ 'a.txt': text });
    await using server = await OpenAIServer.listen((request) => {
      const { text: said = '' } = speak(request);
      return { text: asksForQuestions(request) ? said : `${said} ${markers} ${said}` };
    });
    await runGenerate(corpus.config(), server);
    const [row] = readRows(corpus.config());
    expect(row?.document).toBe(text);
    expect(row?.turns[0]?.chunk).toBe(text.split('\n\n')[0]);
    for (const { chosen, rejected } of row?.turns ?? [])
      expect([chosen, rejected]).toEqual([chosen, rejected].map(() => expect.stringContaining(markers)));
  });

  it('18: equal answers and repeated questions are dropped, and the lengths of both answers are reported', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a') });
    await using server = await OpenAIServer.listen((request) => {
      const chunk = /^(?:Text:\n\n)?(a[abcd])-0/.exec(request.prompt)?.[1] ?? '';
      const ofDocument = request.prompt.includes(documentText('a'));
      if (asksForQuestions(request)) {
        const asked = chunk === 'ab' ? 'aa' : chunk; // the second chunk gets the question of the first
        return { text: `1. Where is the ${wordsOf(asked, 5)}?` };
      }
      if (request.prompt.includes(`Where is the ${wordsOf('ad', 5)}?`))
        return { text: 'Behind the harbor wall.' };
      return { text: ofDocument ? 'Nobody seems to know.' : `Behind the ${wordsOf(chunk, 6)}.` };
    });
    const { dropped } = await runGenerate(corpus.config(), server);
    const [row] = readRows(corpus.config());
    expect(row?.turns.map(({ chunk, chosen, rejected }) => [chunk.slice(0, 2), chosen, rejected])).toEqual([
      ['aa', `Behind the ${wordsOf('aa', 6)}.`, 'Nobody seems to know.'],
      ['ac', `Behind the ${wordsOf('ac', 6)}.`, 'Nobody seems to know.'],
    ]);
    expect(dropped).toEqual({ duplicate_question: 1, identical: 1 });
    const { answerWords } = JSON.parse(readFileOf(corpus.config(), 'report.json'));
    expect(answerWords).toEqual({ chosen: 8, rejected: 4 });
  });
});
