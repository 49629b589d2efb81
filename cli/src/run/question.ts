/** One question about a long document, asked through the openai client like everybody asks. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openTokenizer } from '@longpo/tokens';
import OpenAI from 'openai';

export interface Question {
  url: string;
  model: string;
  /** Folder with the tokenizer of the served model. */
  checkpoint: string;
  documents: string;
  contextLength: number;
  question: string;
}

export interface Answer {
  document: string;
  promptTokens: number;
  text: string;
}

const maxAnswerTokens = 128;
const templateTokens = 64;

/** The longest text below the folder: it fills the context best. */
function longestDocument(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(txt|md)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted((a, b) => statSync(b).size - statSync(a).size || a.localeCompare(b));
  return files[0] ?? '';
}

/** Paragraphs from the start of the text, as many as the context holds beside question and answer. */
async function fit(
  text: string,
  question: string,
  checkpoint: string,
  contextLength: number,
): Promise<string> {
  const tokenizer = await openTokenizer(checkpoint);
  const budget = contextLength - maxAnswerTokens - templateTokens - tokenizer.count(question);
  let fitted = '';
  for (const paragraph of text.split(/\n{2,}/)) {
    const next = fitted === '' ? paragraph : `${fitted}\n\n${paragraph}`;
    if (tokenizer.count(next) > budget) break;
    fitted = next;
  }
  return fitted;
}

export async function ask({
  url,
  model,
  checkpoint,
  documents,
  contextLength,
  question,
}: Question): Promise<Answer> {
  const document = longestDocument(documents);
  const text = await fit(readFileSync(document, 'utf8'), question, checkpoint, contextLength);
  const client = new OpenAI({ baseURL: url, apiKey: 'none' });
  const completion = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: `${text}\n\n${question}` }],
    max_tokens: maxAnswerTokens,
    temperature: 0,
  });
  return {
    document,
    promptTokens: completion.usage?.prompt_tokens ?? 0,
    text: completion.choices[0]?.message.content ?? '',
  };
}
