/**
 * A role's process without its work: it reads the same config, meets the other ranks, writes files and the result of
 * the pod contract, and ends as told. For tests that run hundreds of trainings; it adds a line to <training>/runs for
 * each start and each end, which is how a test knows that nothing ran twice. First argument: the role.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type FetchConfig,
  type GenerateConfig,
  type PodResult,
  peerLost,
  type TrainConfig,
  type VerifyConfig,
} from '../../../api/src/index.ts';
import { fetched, generated, trained, verified } from '../../../controller/src/fixture/results.ts';
import type { Misfortune, StandInSettings } from './settings.ts';

const role = process.argv[2] ?? '';
const env = process.env as Record<string, string>;
const volume = env.LONGPO_VOLUME_ROOT ?? '';
const config = JSON.parse(env.LONGPO_CONFIG ?? '{}') as {
  training?: string;
  stage?: string;
  attempt?: number;
};
const settings = JSON.parse(env.STAND_IN ?? '{}') as StandInSettings;
const index = Number(env.JOB_COMPLETION_INDEX ?? 0);
const who = [role, config.stage ?? '-', config.attempt ?? 0, index].join(' ');
const killed = 137;
const tryAgain = 75;
const inVolume = (path: string) => (isAbsolute(path) ? path : join(volume, path));

function note(line: string): void {
  const folder = join(volume, config.training ?? 'servings');
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, 'runs'), `${line}\n`);
}

function leave(result: PodResult): void {
  writeFileSync(env.LONGPO_TERMINATION_LOG ?? '/dev/termination-log', JSON.stringify(result));
}

/** Written under another name first, as the real roles do. */
function publish(path: string, text: string): void {
  mkdirSync(join(inVolume(path), '..'), { recursive: true });
  writeFileSync(`${inVolume(path)}.tmp`, text);
  renameSync(`${inVolume(path)}.tmp`, inVolume(path));
}

/** Every misfortune happens so many times in all, counted on the volume. */
async function sufferMisfortunes(): Promise<void> {
  const all = settings.misfortunes ?? [];
  for (const misfortune of all.filter((candidate) => befalls(candidate))) {
    const file = join(volume, config.training ?? '', `misfortune-${all.indexOf(misfortune)}`);
    const before = existsSync(file) ? readFileSync(file, 'utf8').length : 0;
    if (before >= misfortune.times) continue;
    appendFileSync(file, '.');
    await suffer(misfortune);
  }
}

function befalls({ role: whose, stage = config.stage, index: which = index }: Misfortune): boolean {
  return whose === role && stage === config.stage && which === index;
}

async function suffer({ exit = 1, hang }: Misfortune): Promise<never> {
  if (hang) await new Promise(() => setInterval(() => undefined, 1000));
  if (exit === killed) process.kill(process.pid, 'SIGKILL');
  // A pod that asks to be started again has nothing to complain about.
  if (exit !== tryAgain)
    leave({ error: { code: 'MISFORTUNE', message: `ended with exit code ${exit}, as told` } });
  return end(exit);
}

function end(code: number): never {
  note(`${who} ended ${code}`);
  process.exit(code);
}

/**
 * Ranks of other pods are found by the name of pod 0, as torch finds them; a gang that loses one ends as a whole.
 * Resolves with what a rank calls when its work is done, which waits for all others.
 */
async function meet({ pods }: TrainConfig): Promise<() => Promise<void>> {
  if (pods === 1) return async () => undefined;
  const [host = '', port = ''] = (env.LONGPO_COORDINATOR ?? '').split(':');
  return index === 0 ? gather(pods - 1, Number(port)) : join0(host, Number(port));
}

/** As a real rank ends when a peer has left: it did not fail itself. */
function rankLost(): never {
  leave({ error: { code: peerLost, message: 'another rank has left' } });
  return end(tryAgain);
}

async function gather(others: number, port: number): Promise<() => Promise<void>> {
  const done: Promise<void>[] = [];
  const sockets: Socket[] = [];
  const all = Promise.withResolvers<void>();
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    done.push(new Promise((resolve) => socket.once('data', () => resolve())));
    socket.on('error', rankLost).on('close', rankLost);
    if (sockets.length === others) all.resolve();
  });
  server.listen(port);
  await all.promise;
  return async () => {
    await Promise.all(done);
    for (const socket of sockets)
      socket
        .removeAllListeners('close')
        .on('error', () => undefined)
        .end('all');
  };
}

async function join0(host: string, port: number): Promise<() => Promise<void>> {
  for (;;) {
    const socket = connect({ host, port });
    const met = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (!met) {
      await sleep(100);
      continue;
    }
    socket.on('error', rankLost).on('close', rankLost);
    return async () => {
      const all = new Promise((resolve) => socket.once('data', resolve));
      socket.write('done');
      await all;
      socket.removeAllListeners('close').destroy();
    };
  }
}

async function fetchModel({ uri, destination }: FetchConfig): Promise<PodResult> {
  await sufferMisfortunes();
  return { fetch: { ...fetched, path: isAbsolute(uri) ? uri : destination } };
}

async function generate({ stage, directory }: GenerateConfig): Promise<PodResult> {
  await sufferMisfortunes();
  await sleep(settings.workMs ?? 0);
  const path = join(directory, 'rows.jsonl');
  publish(path, '{}\n');
  return { generate: { ...generated(stage), path } };
}

async function train(given: TrainConfig): Promise<PodResult> {
  const finish = await meet(given);
  await sufferMisfortunes();
  await sleep(settings.workMs ?? 0);
  await finish();
  if (index > 0) return {};
  const { stage, directory } = given;
  for (const folder of ['checkpoint', 'master', 'steps']) publish(join(directory, folder, 'manifest'), '{}');
  const folders = { checkpoint: join(directory, 'checkpoint'), master: join(directory, 'master') };
  return { train: { ...trained(stage), ...folders } };
}

async function verify(given: VerifyConfig): Promise<PodResult> {
  await sufferMisfortunes();
  if (!existsSync(inVolume(join(given.checkpoint, 'manifest')))) end(4);
  const { checkpoint, digest } = given;
  return { verify: { ...verified(given.stage), checkpoint, digest } };
}

function serve(): void {
  const [, port] = (env.LONGPO_LISTEN ?? '').split(':');
  createServer((_request, response) => response.end('{"object":"list","data":[]}')).listen(Number(port));
}

note(`${who} started`);
process.on('SIGTERM', () => end(role === 'serve' ? 0 : tryAgain));
const work: Record<string, (given: never) => Promise<PodResult>> = {
  fetch: fetchModel,
  generate,
  train,
  verify,
};
const run = work[role];
if (run === undefined) serve();
else {
  leave(await run(config as never));
  end(0);
}
