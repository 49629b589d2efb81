/** JSON lines: a constant message, values as keys. */

export interface Logger {
  info(msg: string, values?: Record<string, unknown>): void;
  error(msg: string, values?: Record<string, unknown>): void;
  child(values: Record<string, unknown>): Logger;
}

export function createLogger(write: (line: string) => void, bound: Record<string, unknown> = {}): Logger {
  const log =
    (level: string) =>
    (msg: string, values: Record<string, unknown> = {}) =>
      write(`${JSON.stringify({ ts: new Date().toISOString(), level, msg, ...bound, ...values })}\n`);
  return {
    info: log('info'),
    error: log('error'),
    child: (values) => createLogger(write, { ...bound, ...values }),
  };
}
