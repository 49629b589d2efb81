/** The words that the model is asked with. Ours; the method's are in longpo-method.md section 2. */
import { pick } from './seed.ts';

/** Short and with the form named last: the longer wordings that were tried lost small models (SmolLM2-135M) sooner. */
export function questionPrompt(chunk: string, questions: number): string {
  const request =
    questions === 1
      ? 'Write one question in English about the text above. The text must answer it. The question must end with a ' +
        'question mark. Put the number 1. before it.'
      : `Write a numbered list of ${questions} different questions in English about the text above. The text must ` +
        'answer each question. Each question must end with a question mark. Number the questions 1., 2., 3. and so on.';
  return `Text:\n\n${chunk}\n\n${request}`;
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
