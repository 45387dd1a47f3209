export interface Heartbeat {
  /** Aborts when the claim is gone, and when it could not be confirmed for `lostAfterMs`. Never un-aborts. */
  readonly signal: AbortSignal;
  stop(): void;
}

/**
 * Confirms a claim until stopped. pg-boss' own heartbeat aborts when a beat finds the claim gone, but says nothing when no beat
 * gets through (database away, process stopped for a while): then somebody else may have the key, so silence counts as loss.
 */
export function startHeartbeat(options: { beat(): Promise<boolean>; everyMs: number; lostAfterMs: number }): Heartbeat {
  const lost = new AbortController();
  // Taken before the beat is sent: the database counts from a later instant, so we are always the first to call it lost.
  let confirmedAt = performance.now();
  let beating = false;

  async function beat(): Promise<void> {
    if (performance.now() - confirmedAt >= options.lostAfterMs) {
      lost.abort(new Error(`no heartbeat got through for ${options.lostAfterMs} ms`));
      return stop();
    }
    if (beating) return;
    beating = true;
    const sentAt = performance.now();
    try {
      if (await options.beat()) confirmedAt = sentAt;
      else {
        lost.abort(new Error('the job is no longer active under this claim'));
        stop();
      }
    } catch {
      // Not confirmed; the next beat, or the limit above, decides. pg-boss' pool reports the outage.
    } finally {
      beating = false;
    }
  }

  const timer = setInterval(() => void beat(), options.everyMs);
  function stop(): void {
    clearInterval(timer);
  }
  return { signal: lost.signal, stop };
}
