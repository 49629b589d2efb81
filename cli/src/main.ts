#!/usr/bin/env node
/** longpo: the command line. Parses arguments, prints errors that a user can mend in one line, sets the exit code. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { chat } from './commands/chat.ts';
import { logs } from './commands/logs.ts';
import { plan } from './commands/plan.ts';
import { run } from './commands/run.ts';
import { serve } from './commands/serve.ts';
import { status } from './commands/status.ts';
import { readConfig } from './config.ts';
import { UserError } from './errors.ts';

const stateOption = () => new Option('--state <folder>', 'where runs keep their state').default('.longpo');
const defaultQuestion = 'What is this text about? Answer in two sentences.';

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('expected a whole number above 0.');
  return number;
}

function port(value: string): number {
  const number = positive(value);
  if (number > 65_535) throw new InvalidArgumentError('a port is at most 65535.');
  return number;
}

function buildProgram(exit: (code: number) => void): Command {
  const program = new Command('longpo')
    .description('Extends the context of instruct models with their own preference data (LongPO).')
    .showHelpAfterError('(add --help for usage and examples)')
    .exitOverride();
  program
    .command('run')
    .description('run a LongPOTraining manifest on this machine, to a model that answers over HTTP')
    .argument('<file>', 'YAML manifest')
    .option('--port <port>', 'port of the trained model', port, 8000)
    .addOption(stateOption())
    .option('--once', 'ask one question about a document, print the answer and exit', readConfig().ci)
    .option('--question <text>', 'what --once asks', defaultQuestion)
    .option('--fresh', 'start over; an earlier run of the same name is kept aside', false)
    .addHelpText(
      'after',
      '\nExamples:\n  longpo run examples/quickstart/training.yaml\n  longpo run my.yaml --port 9000 --once',
    )
    .action(async (file, options) => exit(await run(file, options)));
  program
    .command('plan')
    .description('memory, tokens and time of every stage, before anything runs')
    .argument('<file>', 'YAML manifest')
    .addOption(new Option('--device <device>', 'where it would run').choices(['cpu', 'cuda']).default('cpu'))
    .option('--memory <GiB>', 'memory of one device', positive)
    .option('--model <folder>', 'local copy of the model, when the manifest names one on the hub')
    .addHelpText(
      'after',
      '\nExample:\n  longpo plan examples/mistral-512k.yaml --device cuda --memory 80 --model ~/models/mistral',
    )
    .action((file, options) => exit(plan(file, options)));
  program
    .command('status')
    .description('what a run has done so far')
    .argument('[name]', 'metadata.name of the training; all when left out')
    .addOption(stateOption())
    .option('--json', 'the whole objects', false)
    .addHelpText('after', '\nExample:\n  longpo status quickstart')
    .action((name, options) => status(name, options));
  program
    .command('logs')
    .description('logs of a stage')
    .argument('<stage>', 'name of a stage, or fetch, or serve')
    .option('--name <name>', 'metadata.name of the training, when there are several')
    .addOption(stateOption())
    .option('-f, --follow', 'go on as lines are written', false)
    .addHelpText('after', '\nExamples:\n  longpo logs 2k -f\n  longpo logs serve --name quickstart')
    .action((stage, options) => logs(stage, options));
  program
    .command('serve')
    .description('serve a model folder over an OpenAI-compatible endpoint')
    .argument('<directory>', 'Hugging Face model folder, or a checkpoint of a stage')
    .option('--port <port>', 'port', port, 8000)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option('--quantization <bits>', 'weights').choices(['int4', 'int8', 'none']).default('int4'),
    )
    .option('--max-model-len <tokens>', 'context length', positive)
    .option('--served-model-name <name>', 'what requests call it; the folder name when left out')
    .addHelpText(
      'after',
      '\nExample:\n  longpo serve .longpo/quickstart/volume/quickstart/2k/checkpoint --quantization none',
    )
    .action((directory, options) => serve(directory, options));
  program
    .command('chat')
    .description('talk to a served model')
    .option('--url <url>', 'base URL with /v1', 'http://127.0.0.1:8000/v1')
    .option('--model <name>', 'the served name; the first one when left out')
    .option('--document <file>', 'text that stands before the first question')
    .option('--temperature <number>', 'sampling temperature', Number, 0)
    .addHelpText('after', '\nExample:\n  echo "Who is it about?" | longpo chat --document story.txt')
    .action((options) => chat(options));
  return program;
}

/** Commander prints its own usage errors; its exit code for them is 1, ours for bad input is 2. */
function report(error: unknown): number {
  if (error instanceof UserError) {
    process.stderr.write(`error[${error.code}]: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.'))
    return 'exitCode' in error && error.exitCode === 0 ? 0 : 2;
  throw error;
}

try {
  await buildProgram((code) => {
    process.exitCode = code;
  }).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
