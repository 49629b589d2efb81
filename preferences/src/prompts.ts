/** The words that the model is asked with. Ours; the method's are in longpo-method.md section 2. */
import { pick } from './seed.ts';

export function questionPrompt(chunk: string, questions: number): string {
  const amount = questions === 1 ? 'one question' : `${questions} different questions`;
  const list = questions === 1 ? '1. ...' : '1. ...\n2. ...';
  return [
    `Text:\n\n${chunk}`,
    `Write ${amount} in English that a careful reader of the text above can answer from the text alone. Ask about what ` +
      'happens, why it happens and how its parts belong together. Do not answer them.',
    `Reply with a numbered list and nothing else:\n${list}`,
  ].join('\n\n');
}

/** Without a pointer to the text, "the text" of a question would be anybody's guess. */
const leadIns = [
  'Answer this question about the text above:',
  'Use the text above to answer:',
  'From what is written above:',
  'Having read the text above, answer this:',
  'Here is a question on the text above:',
  'Based on the text above:',
  'Consider the text above and reply to this question:',
  'With the text above in mind:',
  'The following question is about the text above:',
  'Rely on the text above only:',
] as const;

/** The instruction of a turn: the same for the chosen and for the rejected answer. */
export function instruction(question: string, seed: number, id: string): string {
  return `${pick(leadIns, seed, id, 'lead-in')} ${question}`;
}

export const contextPrompt = (context: string, request: string): string => `${context}\n\n${request}`;
