/** How to ask a served model, as commands that work when pasted into a shell. Pure. */

const question = 'What is the capital of France?';

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function curlSnippet(url: string, model: string): string {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }], temperature: 0 });
  return `curl ${shellQuoted(`${url}/chat/completions`)} -H 'content-type: application/json' -d ${shellQuoted(body)}`;
}

/** Through standard input and a quoted here-document, so that no shell looks into the program. */
function openaiSnippet(url: string, model: string): string {
  return [
    "node --input-type=module - <<'END'",
    "import OpenAI from 'openai';",
    `const client = new OpenAI({ baseURL: ${JSON.stringify(url)}, apiKey: 'none' });`,
    'const { choices } = await client.chat.completions.create({',
    `  model: ${JSON.stringify(model)},`,
    `  messages: [{ role: 'user', content: ${JSON.stringify(question)} }],`,
    '});',
    'console.log(choices[0].message.content);',
    'END',
  ].join('\n');
}

export function renderServing(url: string, model: string): string {
  return [`${model} answers at ${url}`, curlSnippet(url, model), openaiSnippet(url, model)].join('\n\n');
}
