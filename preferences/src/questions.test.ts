import { describe, expect, it } from 'vitest';
import { parseQuestions } from './questions.ts';

describe('questions of a reply', () => {
  it.each([
    ['1. Who came?\n2. Who went?', ['Who came?', 'Who went?']],
    ['Here they are:\n\n1) Who came?\n\n2) Who went?\n\nI hope this helps!', ['Who came?', 'Who went?']],
    ['(1) Who came?\n(2) Who went?', ['Who came?', 'Who went?']],
    ['**1.** Who came?\n**2. Who went?**', ['Who came?', 'Who went?']],
    ['Q1: Who came?\nQuestion 2: Who went?', ['Who came?', 'Who went?']],
    ['- 1. Who came?\n  # 2: Who went?', ['Who came?', 'Who went?']],
    ['1. Who came,\n   and when?', ['Who came, and when?']],
    ['1. Who came? It was the captain.\n2. Who went?', ['Who came?', 'Who went?']],
    ['1. 3. Who came?\n2. 2) Who went?', ['Who came?', 'Who went?']],
    ['1. Who came in 1851. Was it\n1852?', ['Who came in 1851. Was it 1852?']],
    ['10. Wer kam?\n11. \u8c01\u6765\u4e86?', ['Wer kam?', '\u8c01\u6765\u4e86?']],
    ['1. Explain why it sank.\n2. Describe the crew.', ['Explain why it sank.', 'Describe the crew.']],
    ['1. Who came?\n2. The captain came.', ['Who came?']],
  ])('%j', (reply, questions) => {
    expect(parseQuestions(reply)).toEqual(questions);
  });

  it.each(['', 'Who came?', 'The text has 2. parts', '1.\n2.', '1. ?', '- Who came?'])(
    'are none in %j',
    (reply) => {
      expect(parseQuestions(reply)).toEqual([]);
    },
  );

  it('leave out the last one when the reply was cut in it', () => {
    expect(parseQuestions('1. Who came?\n2. Who we', true)).toEqual(['Who came?']);
    expect(parseQuestions('1. Explain why it sank.\n2. Describe the', true)).toEqual([
      'Explain why it sank.',
    ]);
  });
});
