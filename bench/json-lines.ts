/** A child process that is asked with one JSON line and answers with one. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface JsonProcess {
  ask(question: object): Promise<Record<string, number>>;
  end(): void;
}

export async function startJsonProcess(command: string, args: string[], cwd: string): Promise<JsonProcess> {
  const child = spawn(command, args, { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ended before it answered`);
      if (value.startsWith('{')) return JSON.parse(value) as Record<string, number>;
    }
  };
  await next();
  return {
    ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return next();
    },
    end: () => child.kill(),
  };
}
