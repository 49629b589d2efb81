/** JSON lines: a constant message, values as keys. Never a token: values are named one by one by who logs. */

export interface Logger {
  info(msg: string, values?: Record<string, unknown>): void;
  error(msg: string, values?: Record<string, unknown>): void;
  child(values: Record<string, unknown>): Logger;
}

export type LogLevel = 'info' | 'error';

export function createLogger(
  write: (line: string) => void,
  bound: Record<string, unknown> = {},
  lowest: LogLevel = 'info',
): Logger {
  const log =
    (level: LogLevel) =>
    (msg: string, values: Record<string, unknown> = {}) => {
      if (level === 'info' && lowest === 'error') return;
      write(`${JSON.stringify({ ts: new Date().toISOString(), level, msg, ...bound, ...values })}\n`);
    };
  return {
    info: log('info'),
    error: log('error'),
    child: (values) => createLogger(write, { ...bound, ...values }, lowest),
  };
}
