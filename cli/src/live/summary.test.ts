import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { data, model, recordedRun, report, stage, verified, withStatus } from './recorded-run.fixture.ts';
import { renderServing, renderStages, renderStatus } from './summary.ts';

describe('the table of the stages', () => {
  it('names steps, loss, reward accuracy, checkpoint and digest', () => {
    const training = withStatus({
      state: 'Training',
      stages: [
        { ...stage, state: 'Succeeded', data, checkpoint: verified },
        { ...stage, name: '2k', state: 'Training' },
      ],
    });
    expect(renderStages(training)).toMatchInlineSnapshot(`
      "  stage  context  state      steps  loss    reward accuracy  checkpoint          digest
        -----  -------  ---------  -----  ------  ---------------  ------------------  ------------
        1k     1,024    Succeeded  3      3.3750  0.67             demo/1k/checkpoint  00fc2b872a99
        2k              Training"
    `);
  });

  it('is only its head before there is a stage', () => {
    expect(renderStages(withStatus({})).split('\n')).toHaveLength(2);
  });
});

describe('the status', () => {
  it('names the state, the phases so far with what is counted, and the stages', () => {
    const progress = report({ role: 'train', phase: 'reference', completed: 2, total: 3, unit: 'rows' });
    const conditions = [
      {
        type: 'Succeeded',
        status: 'Unknown' as const,
        reason: 'Training',
        message: 'stage 1k',
        observedGeneration: 1,
        lastTransitionTime: '2026-11-24T10:00:00Z',
      },
    ];
    const training = withStatus({
      state: 'Training',
      model,
      conditions,
      stages: [{ ...stage, state: 'Training', data, progress }],
    });
    expect(renderStatus(training)).toMatchInlineSnapshot(`
      "demo: Training (Training: stage 1k)

        phase        state
        -----------  -------  --------------------------------------
        fetch        done     LlamaForCausalLM, digest 39fc10e35d54
        1k generate  done     3 rows, 4 turns; dropped 2 no_question
        1k train     running  reference 2/3 rows

        stage  context  state     steps  loss  reward accuracy  checkpoint  digest
        -----  -------  --------  -----  ----  ---------------  ----------  ------
        1k     1,024    Training"
    `);
  });

  it('is Pending before the controller wrote anything', () => {
    expect(renderStatus(withStatus({})).split('\n')[0]).toBe('demo: Pending');
  });

  it('of a finished run has every phase done', () => {
    const lines = renderStatus(withStatus(recordedRun.at(-1) ?? {})).split('\n');
    expect(lines.filter((line) => / (running|failed) /.test(line))).toEqual([]);
    expect(lines.filter((line) => / done /.test(line))).toHaveLength(5);
  });
});

describe('the snippets', () => {
  interface Seen {
    path: string | undefined;
    model: string;
    question: string;
  }
  const seen: Seen[] = [];
  /** Answers as an OpenAI-compatible server does, and keeps what it was asked. */
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { model, messages } = JSON.parse(body) as { model: string; messages: { content: string }[] };
      seen.push({ path: request.url, model, question: messages[0]?.content ?? '' });
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Paris, truly.' } }] }),
      );
    });
  });
  let url = '';

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  });
  afterAll(() => server.close());

  const shell = async (script: string) => {
    const run = promisify(execFile)('bash', ['-c', script], { cwd: import.meta.dirname, timeout: 30_000 });
    return (await run).stdout.trim();
  };

  it.each(['demo', `it's "mine" for $1`])('work as printed for a model named %s', async (name) => {
    const [, curl = '', openai = ''] = renderServing(url, name).split('\n\n');
    seen.length = 0;
    expect(await shell(curl)).toContain('Paris, truly.');
    expect(await shell(openai)).toBe('Paris, truly.');
    const asked = { path: '/v1/chat/completions', model: name, question: 'What is the capital of France?' };
    expect(seen).toEqual([asked, asked]);
  });

  it('stand below the URL', () => {
    expect(renderServing('http://127.0.0.1:8000/v1', 'demo')).toMatchInlineSnapshot(`
      "demo answers at http://127.0.0.1:8000/v1

      curl 'http://127.0.0.1:8000/v1/chat/completions' -H 'content-type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"What is the capital of France?"}],"temperature":0}'

      node --input-type=module - <<'END'
      import OpenAI from 'openai';
      const client = new OpenAI({ baseURL: "http://127.0.0.1:8000/v1", apiKey: 'none' });
      const { choices } = await client.chat.completions.create({
        model: "demo",
        messages: [{ role: 'user', content: "What is the capital of France?" }],
      });
      console.log(choices[0].message.content);
      END"
    `);
  });
});
