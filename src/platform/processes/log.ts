import { pino } from 'pino';
import type { QueueLog } from '../queue/index.ts';
import type { Settings } from '../settings.ts';

/** JSON lines on standard error, as every process of ours writes them. Secrets never get here: nobody logs bodies or headers. */
export function processLog(name: string, level: Settings['logLevel']): QueueLog {
  return pino(
    { name, level, base: { process: name, pid: process.pid }, redact: ['*.token', '*.password', '*.secret'] },
    pino.destination(2),
  );
}
