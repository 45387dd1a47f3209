import { setTimeout as sleep } from 'node:timers/promises';
import { NoAnswerError, RefusedError } from '../src/client/client.ts';
import { Fault } from '../src/platform/fault.ts';

/** Looks until there is something to see. Undefined when `withinMs` pass or the run is over. */
export async function until<T>(
  look: () => Promise<T | undefined> | T | undefined,
  { withinMs, everyMs = 50, signal }: { readonly withinMs: number; readonly everyMs?: number; readonly signal?: AbortSignal },
): Promise<T | undefined> {
  for (const giveUpAt = performance.now() + withinMs; ; await sleep(everyMs)) {
    if (signal?.aborted === true || performance.now() > giveUpAt) return undefined;
    const found = await look();
    if (found !== undefined) return found;
  }
}

const patienceMs = 180_000;

/** Asks again while what it asks is away: that is what a kill looks like from outside. Anything else is thrown. */
export async function patiently<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const giveUpAt = performance.now() + patienceMs; ; await sleep(200)) {
    signal?.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!isAway(error) || performance.now() > giveUpAt) throw error;
    }
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof NoAnswerError) return true;
  if (error instanceof RefusedError) return [429, 502, 503, 504].includes(error.status) || error.code === 'idempotency.in-progress';
  return error instanceof Fault && error.retryable;
}
