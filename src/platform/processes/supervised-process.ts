import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backOffMs } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { readLogFrom, rotateWhenLarge, sizeOf } from './log-file.ts';
import { endProcess, isRunning, type ReadyLine, readRecord, writeRecord } from './process-record.ts';
import { isAlive, signal } from './process-table.ts';

/** One process to keep running. */
export interface ProcessSpec {
  /** `server`, `worker-2`. Unique within a home. */
  readonly name: string;
  /** Absolute path of its main. */
  readonly file: string;
  /** Everything it gets to see of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its standard output and error, appended. */
  readonly logFile: string;
  /** Where its number and ready line are written down, for whoever supervises next. */
  readonly recordFile: string;
  /** Runs on when its supervisor ends or dies, and is adopted by the next. */
  readonly outlives: boolean;
  /** Must answer for the process to be adopted. */
  readonly socket?: string;
}

export interface ProcessStatus {
  readonly name: string;
  /** Undefined while there is none. */
  readonly pid: number | undefined;
  readonly state: 'starting' | 'running' | 'restarting' | 'stopped';
  readonly restarts: number;
  readonly adopted: boolean;
}

export interface ProcessEvent {
  readonly name: string;
  readonly event: 'ready' | 'adopted' | 'ended' | 'stopped';
  readonly pid?: number;
  /** Of `ended`: exit code or signal, and the last lines it wrote. */
  readonly detail?: string;
}

interface Incarnation {
  readonly pid: number;
  readonly ready: ReadyLine;
  readonly adopted: boolean;
  /** Settles when it is gone. */
  readonly ended: Promise<string>;
}

/** A process this young when it ends counts as failing again, so that the pause before the next try grows. */
const settledAfterMs = 30_000;
const readyWithinMs = 60_000;

/** Keeps one process running until told to stop. State: the present incarnation, and how often it had to be replaced. */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #onEvent: (event: ProcessEvent) => void;
  readonly #stopping = new AbortController();
  #environment: Readonly<Record<string, string>>;
  #incarnation: Incarnation | undefined;
  #startingPid: number | undefined;
  #state: ProcessStatus['state'] = 'starting';
  #restarts = 0;
  #begun = false;
  #watching: Promise<void> = Promise.resolve();

  constructor(spec: ProcessSpec, onEvent: (event: ProcessEvent) => void) {
    this.#spec = spec;
    this.#environment = spec.environment;
    this.#onEvent = onEvent;
  }

  get status(): ProcessStatus {
    const { name } = this.#spec;
    const pid = this.#incarnation?.pid ?? this.#startingPid;
    return { name, pid, state: this.#state, restarts: this.#restarts, adopted: this.#incarnation?.adopted ?? false };
  }

  /** Adopts or starts it and waits for its ready line. Fault `process.start-failed` with its last words when it cannot start. */
  async start(): Promise<ReadyLine> {
    this.#begun = true;
    const first = (await this.#adopt()) ?? (await this.#spawn());
    this.#take(first);
    const rotating = setInterval(() => void rotateWhenLarge(this.#spec.logFile).catch(() => {}), 60_000).unref();
    this.#stopping.signal.addEventListener('abort', () => clearInterval(rotating), { once: true });
    this.#watching = this.#watch();
    return first.ready;
  }

  /** From its next start on, and a restart now: for an address that has changed. */
  changeEnvironment(environment: Readonly<Record<string, string>>): void {
    this.#environment = environment;
    const pid = this.#incarnation?.pid;
    if (pid !== undefined) signal(pid, 'SIGTERM');
  }

  /** SIGTERM, then SIGKILL after `graceMs`. With `leave`, it is only not watched any more. Idempotent. */
  async stop({ graceMs = 15_000, leave = false }: { readonly graceMs?: number; readonly leave?: boolean } = {}): Promise<void> {
    this.#stopping.abort();
    // Never started by us: it, or its record, may be another supervisor's.
    if (leave || !this.#begun) return;
    const pid = this.#incarnation?.pid ?? this.#startingPid;
    if (pid !== undefined) await endProcess(pid, graceMs);
    await this.#watching;
    await rm(this.#spec.recordFile, { force: true });
    this.#state = 'stopped';
    this.#onEvent({ name: this.#spec.name, event: 'stopped', ...(pid === undefined ? {} : { pid }) });
  }

  #take(incarnation: Incarnation): void {
    this.#incarnation = incarnation;
    this.#state = 'running';
    this.#onEvent({ name: this.#spec.name, event: incarnation.adopted ? 'adopted' : 'ready', pid: incarnation.pid });
  }

  async #watch(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      const current = this.#incarnation;
      const since = performance.now();
      if (current) {
        const detail = await Promise.race([current.ended, aborted(this.#stopping.signal)]);
        if (detail === undefined || this.#stopping.signal.aborted) return;
        this.#incarnation = undefined;
        this.#state = 'restarting';
        this.#onEvent({ name: this.#spec.name, event: 'ended', pid: current.pid, detail });
      }
      failures = performance.now() - since > settledAfterMs ? 1 : failures + 1;
      // The first restart comes at once: a process that served well deserves no pause.
      const waitMs = failures === 1 ? 0 : backOffMs(failures - 1, { firstMs: 250, maxMs: 15_000 });
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      this.#restarts += 1;
      await this.#spawn().then(
        (incarnation) => this.#take(incarnation),
        (error: unknown) =>
          this.#onEvent({ name: this.#spec.name, event: 'ended', detail: error instanceof Error ? error.message : String(error) }),
      );
    }
  }

  /** The one a former supervisor left, when it is meant to outlive; any other is ended, because two would be in each other's way. */
  async #adopt(): Promise<Incarnation | undefined> {
    const { file, recordFile, outlives, socket } = this.#spec;
    const record = await readRecord(recordFile);
    if (!record || !(await isRunning(record.pid, file))) return undefined;
    if (outlives && record.ready && (socket === undefined || (await answers(socket)))) {
      return { pid: record.pid, ready: record.ready, adopted: true, ended: watchForeign(record.pid) };
    }
    await endProcess(record.pid, 5_000);
    return undefined;
  }

  async #spawn(): Promise<Incarnation> {
    const { file, logFile, recordFile } = this.#spec;
    await mkdir(dirname(logFile), { recursive: true });
    await rotateWhenLarge(logFile);
    const log = await open(logFile, 'a', 0o600);
    const from = await sizeOf(logFile);
    let child: ChildProcess;
    try {
      // A group of its own: Ctrl-C on a terminal must reach the supervisor alone, which ends the others in order.
      const stdio = ['ignore', log.fd, log.fd] as const;
      child = spawn(process.execPath, [file], { env: this.#environment, detached: true, stdio: [...stdio] });
    } finally {
      await log.close();
    }
    const ended = exitOf(child);
    child.unref();
    this.#startingPid = child.pid;
    try {
      const pid = child.pid ?? 0;
      // At once as well: a supervisor killed here must not leave a process that nobody knows of.
      await writeRecord(recordFile, { pid, file });
      const ready = await this.#untilReady(from, ended);
      await writeRecord(recordFile, { pid, file, ready });
      return { pid, ready, adopted: false, ended };
    } finally {
      this.#startingPid = undefined;
    }
  }

  /** Reads its log rather than a pipe: a pipe would break when the supervisor dies, and take the process along. */
  async #untilReady(from: number, ended: Promise<string>): Promise<ReadyLine> {
    let over: string | undefined;
    void ended.then((detail) => (over = detail));
    for (const giveUpAt = performance.now() + readyWithinMs; ; await sleep(15)) {
      const said = await readLogFrom(this.#spec.logFile, from);
      const ready = findReadyLine(said);
      if (ready) return ready;
      const why = over ?? (performance.now() > giveUpAt ? `not ready within ${readyWithinMs / 1_000} s` : undefined);
      if (why !== undefined) throw startFailed(this.#spec, why, said);
    }
  }
}

function findReadyLine(said: string): ReadyLine | undefined {
  for (const line of said.split('\n').slice(0, -1)) {
    if (!line.startsWith('{') || !line.includes('"ready"')) continue;
    try {
      const parsed = JSON.parse(line) as ReadyLine;
      if (parsed['ready'] === true) return parsed;
    } catch {
      // A line of another writer; the ready line is still to come.
    }
  }
  return undefined;
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, name) => resolve(name === null ? `exit code ${code}` : name));
  });
}

/** No exit event comes from a process that somebody else started. */
async function watchForeign(pid: number): Promise<string> {
  while (await isAlive(pid)) await sleep(200, undefined, { ref: false });
  return 'gone';
}

function aborted(over: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (over.aborted) resolve(undefined);
    over.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function startFailed({ name, logFile }: ProcessSpec, why: string, said: string): Fault {
  const last = said.trim().split('\n').slice(-6).join('\n  ');
  return new Fault({
    code: 'process.start-failed',
    message: `expected the ${name} to start, got ${why}${last === '' ? '' : `:\n  ${last}`}`,
    remedy: `read ${logFile}`,
    retryable: true,
  });
}
