/**
 * npm run test:server-load [SECONDS]: 100 clients at once for five minutes, in float32 and greedy. Fails when an answer
 * is not bit by bit that of its request alone, when a status is neither 200 nor 429, and when memory or open files do
 * not come back to where they were. Prints how long /healthz takes while a prompt of 16K tokens is read, which a busy
 * machine lengthens: that is no pass or fail.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../waiting.ts';
import { writeByteModel } from './byte-model.ts';
import { askAlone, type Load, runClients } from './clients.ts';
import { probeWhileReading, quantile } from './probes.ts';
import { loadRequests } from './requests.ts';
import { ServerProcess } from './server-process.ts';

const seconds = Number(process.argv[2] ?? 300);
if (!(seconds > 0)) throw new RangeError(`${process.argv[2]}: give the load's length in seconds`);

const clients = 100;
const slots = 8;
const requestCount = 60;
const longestPrompt = 4000;
const probePrompt = 16_000;
const probePrompts = 3;
const contextLength = 16_384;
/** Below what 100 clients ask for at once, so that some are refused. */
const maxQueuedTokens = 30_000;
const warmUpShare = 0.2;
/** V8 lets its heap grow to its limit before it collects all of it; one that leaks ends the process there. */
const heapMebibytes = 128;
/** Of young objects, in every thread: what fills it and is not collected yet would look like a leak. */
const nurseryMebibytes = 4;
const memorySlack = { share: 0.1, bytes: 64 * 2 ** 20 };
const probeGoalMs = 20;

const say = (line: string): void => console.log(line);
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

interface Held {
  readonly bytes: number;
  readonly files: number;
}

/** What the server holds with nothing to do, without the prefixes that its slots keep. */
async function heldAtRest(server: ServerProcess): Promise<Held> {
  await until('no request runs or waits', async () => {
    const running = await server.metric('longpo_num_requests_running');
    return running + (await server.metric('longpo_num_requests_waiting')) === 0;
  });
  // Connections of clients that have gone, and memory that is given back late.
  await sleep(Math.min(10_000, 100 * seconds));
  const kept = await server.metric('longpo_kv_cache_bytes');
  return { bytes: (await server.residentBytes()) - kept, files: await server.openFiles() };
}

function judge(load: Load, before: Held, after: Held): string[] {
  const failures = load.wrong.map((line) => `wrong: ${line}`);
  if (load.wrongCount > load.wrong.length) failures.push(`wrong: ${load.wrongCount} in all`);
  if (load.right === 0) failures.push('no answer came back');
  const most = before.bytes * (1 + memorySlack.share) + memorySlack.bytes;
  if (after.bytes > most)
    failures.push(`memory: ${mebibytes(after.bytes)}, at most ${mebibytes(most)} wanted`);
  // The connections of our own fetch are among them.
  if (after.files > before.files + clients) failures.push(`open files: ${after.files}`);
  return failures;
}

async function run(server: ServerProcess): Promise<string[]> {
  const requests = loadRequests(requestCount, longestPrompt);
  const alone = await askAlone(server, requests);
  const lengths = requests.map(({ promptCharacters }) => promptCharacters);
  say(
    `${requests.length} requests asked alone; prompts of ${Math.min(...lengths)} to ${Math.max(...lengths)} characters`,
  );
  // Heap and threads grow with the first load to what every load takes.
  await runClients(server, alone, { clients, seconds: warmUpShare * seconds });
  const before = await heldAtRest(server);
  say(`at rest after a first load: ${mebibytes(before.bytes)}, ${before.files} open files`);
  let peak = 0;
  const load = await runClients(server, alone, { clients, seconds }, async (counts) => {
    const resident = await server.residentBytes();
    peak = Math.max(peak, resident);
    say(`  ${summaryOf(counts)}; ${mebibytes(resident)}`);
  });
  const after = await heldAtRest(server);
  say(`${clients} clients, ${seconds} s and what was asked by then: ${summaryOf(load)}`);
  say(
    `at rest after it: ${mebibytes(after.bytes)}, ${after.files} open files; ${mebibytes(peak)} at its peak`,
  );
  await probe(server);
  return judge(load, before, after);
}

const summaryOf = ({ right, tokens, refused, left, wrongCount }: Load): string =>
  `${right} answers of ${tokens} tokens as alone, ${refused} times 429, ${left} left early, ${wrongCount} wrong`;

async function probe(server: ServerProcess): Promise<void> {
  const times = await probeWhileReading(server, probePrompt, probePrompts);
  const [half, most, longest] = [0.5, 0.99, 1].map((share) => quantile(times, share).toFixed(1));
  say(
    `/healthz while ${probePrompt} tokens are read: half within ${half} ms, 99 % within ${most} ms, longest ${longest} ms, of ${times.length} (goal on a machine of its own: 99 % below ${probeGoalMs} ms)`,
  );
}

const folder = await mkdtemp(join(tmpdir(), 'longpo-load-'));
let server: ServerProcess | undefined;
try {
  const model = join(folder, 'model');
  const shape = {
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    head_dim: 32,
  };
  await writeByteModel(model, { contextLength, config: shape });
  const flags = [
    '--quantization',
    'none',
    '--parallel-sequences',
    `${slots}`,
    '--max-queued-tokens',
    `${maxQueuedTokens}`,
  ];
  server = await ServerProcess.start(model, flags, [
    `--max-old-space-size=${heapMebibytes}`,
    `--max-semi-space-size=${nurseryMebibytes}`,
  ]);
  const failures = await run(server);
  for (const failure of failures) say(failure);
  say(failures.length === 0 ? 'passed' : 'failed');
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await server?.kill();
  await rm(folder, { recursive: true });
}
