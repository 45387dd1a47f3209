import { Fault } from '../fault.ts';

export interface StartedProcess {
  /** Goes into the line `{"ready":true,"process":…}` that supervisors wait for. */
  readonly ready?: Readonly<Record<string, unknown>>;
  /** Ordered end: finish or hand back what is in hand. Called once. */
  stop(): Promise<void>;
}

/**
 * The frame of every main of ours. Prints the ready line on standard output, stops in order on SIGTERM or SIGINT and
 * exits 0. A start that fails prints what was expected and what to do, and exits 2; a defect later prints its stack and
 * exits 1, so that the supervisor starts afresh.
 */
export async function runProcess(name: string, start: () => Promise<StartedProcess>): Promise<void> {
  // The reader of our output may be gone; that is no reason to go as well.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    const started = await start();
    stopOnSignals(started);
    process.stdout.write(`${JSON.stringify({ ready: true, process: name, pid: process.pid, ...started.ready })}\n`);
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`);
    process.exit(2);
  }
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(1);
  });
}

/** What a person reads: the sentence and the remedy of a Fault, the stack of a defect. */
function sentenceOf(error: unknown): string {
  if (error instanceof Fault) return error.remedy === undefined ? error.message : `${error.message}\n  → ${error.remedy}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function stopOnSignals(started: StartedProcess): void {
  let stopping: Promise<void> | undefined;
  const stop = (): void => {
    stopping ??= started.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${sentenceOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
