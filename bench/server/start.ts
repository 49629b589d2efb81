/** From the start of a process to the first token of a short prompt. Weights are quantised and in the page cache. */
import { spread } from '../median.ts';
import { pairs, ratiosToOwn, threads } from './contenders.ts';
import type { Contest } from './models.ts';
import type { Plan } from './plan.ts';
import { randomPrompt } from './prompt.ts';
import { print } from './report.ts';
import { startServerProcess, streamAnswer } from './server-process.ts';
import { inTurn, Side, type SideCommand } from './side.ts';

const prompt = randomPrompt(16, 1);
const room = { tokens: 2048, sequences: 1 };

export async function benchStart(contest: Contest, cache: string, plan: Plan): Promise<void> {
  const starts = [
    ...pairs(contest, cache, room, plan.widths).map(({ command, own }) => ({
      name: command.name,
      own,
      run: () => firstAnswer(command),
    })),
    { name: 'longpo-serve int4, over HTTP', own: null, run: () => firstStream(contest.folder, cache) },
  ];
  const figures = await inTurn(starts, { rounds: plan.decodeRounds, warmUps: 1 }, (start) =>
    secondsOf(start.run),
  );
  const ratios = ratiosToOwn(starts, figures);
  print(
    `Start of the process to the first token, ${contest.name}, ${prompt.length} tokens, ${threads} threads`,
    ['side', 'seconds', 'longpo / it'],
    starts.map(({ name }, index) => [name, spread(figures[index] ?? [], 2), ratios[index] ?? '']),
  );
}

/** Only until the answer is there: how a process ends is not counted. */
async function secondsOf(run: () => Promise<() => Promise<void>>): Promise<number> {
  const started = performance.now();
  const stop = await run();
  const seconds = (performance.now() - started) / 1000;
  await stop();
  return seconds;
}

async function firstAnswer(command: SideCommand): Promise<() => Promise<void>> {
  const side = await Side.start(command);
  await side.ask({ prefill: prompt, sequence: 0 });
  return () => side.stop();
}

/** With its HTTP server, tokenizer and the warm-up run that comes before readiness. */
async function firstStream(model: string, cache: string): Promise<() => Promise<void>> {
  const server = await startServerProcess(model, cache);
  await streamAnswer(server.url, prompt, 1);
  return () => server.stop();
}
