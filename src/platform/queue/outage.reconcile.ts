import { asDatabaseFault, isUnavailable } from '../database/faults.ts';
import type { QueueLog } from './queue.ts';

export interface OutageLog {
  /** One line when the database goes, one when it is back, however many connections noticed. Other errors are logged as they are. */
  report(error: unknown): void;
  stop(): void;
}

/** A connection attempt from the time of the outage may fail this much later (its timeout); a new outage is told after it. */
const lateErrorsMs = 10_000;

export function startOutageLog(log: QueueLog, probe: () => Promise<unknown>): OutageLog {
  let away: { readonly since: number; errors: number } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let quietUntil = 0;

  async function look(): Promise<void> {
    try {
      await probe();
      if (!away) return;
      log.info(
        { seconds: Math.round((performance.now() - away.since) / 1_000), errors: away.errors },
        'the database answers again; the queue goes on',
      );
      away = undefined;
      quietUntil = performance.now() + lateErrorsMs;
    } catch {
      if (!stopped) timer = setTimeout(() => void look(), 1_000);
    }
  }

  return {
    report(thrown) {
      if (stopped) return;
      const error = asError(thrown);
      if (!isUnavailable(error)) {
        log.error({ error: messageOf(asDatabaseFault(error)) }, 'the queue met an error');
        return;
      }
      if (away) away.errors += 1;
      else if (performance.now() >= quietUntil) {
        away = { since: performance.now(), errors: 1 };
        log.warn({ error: messageOf(error) }, 'the database does not answer; the queue tries again by itself, nothing is left half done');
        timer = setTimeout(() => void look(), 1_000);
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** pg-boss emits copies of errors that are plain objects. */
function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const { message, code } = (thrown ?? {}) as { message?: unknown; code?: unknown };
  return Object.assign(new Error(typeof message === 'string' ? message : String(thrown)), typeof code === 'string' ? { code } : {});
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
