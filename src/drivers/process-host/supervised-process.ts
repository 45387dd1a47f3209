import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { openLog, readLogTail, rotateLog } from './application-log.ts';
import { environmentOf, pauseAfter, stableAfterMs, type InstanceRecord } from './instance.ts';
import { findSessionLeaderIn, identify, isAlive, listSession, type ProcessIdentity } from './process-identity.ts';

export interface SupervisedOptions {
  readonly record: InstanceRecord;
  /** Where the archive was unpacked: the working directory. */
  readonly directory: string;
  readonly logFile: string;
  /** Writes the record down before this resolves. */
  readonly save: (record: InstanceRecord) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
}

const watchEveryMs = 250;
const rotateEveryMs = 10_000;

/** One application process that should run: started, watched, started again when it dies, stopped. */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  #record: InstanceRecord;
  #isUp = false;
  #lastExit = '';
  #watching: Promise<void> | undefined;
  readonly #stopWatching = new AbortController();

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#record = options.record;
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Starts the process unless it runs already; from then on it is watched. */
  async start(): Promise<void> {
    if (this.#watching) return;
    const running = await this.#findRunning();
    if (running) await this.#took(running);
    else await this.#spawn(this.#record.restarts + (this.#record.process ? 1 : 0));
    this.#watching = this.#watch().catch((error: unknown) => this.#options.onTrouble(error));
  }

  /** SIGTERM to the whole process group, SIGKILL after `graceMs`, and whatever of the session is left then. */
  async stop(graceMs: number): Promise<void> {
    this.#stopWatching.abort();
    await this.#watching;
    await this.#change({ wanted: 'stopping', killAt: this.#record.killAt ?? new Date(Date.now() + graceMs).toISOString() });
    const running = await this.#findRunning();
    if (running) await end(running, Date.parse(this.#record.killAt ?? '') || Date.now());
    this.#isUp = false;
    await this.#change({ wanted: 'stopped', process: undefined, killAt: undefined, failure: undefined });
  }

  /** Leaves the process alone: the host goes, the application stays. */
  async letGo(): Promise<void> {
    this.#stopWatching.abort();
    await this.#watching;
  }

  /** Ends the application without forgetting that it should run: the next host starts it again. */
  async suspend(graceMs: number): Promise<void> {
    await this.letGo();
    const running = await this.#findRunning();
    if (running) await end(running, Date.now() + graceMs);
    this.#isUp = false;
  }

  async #findRunning(): Promise<ProcessIdentity | undefined> {
    const known = this.#record.process;
    if (known) return (await isAlive(known)) ? known : undefined;
    return findSessionLeaderIn(this.#options.directory);
  }

  async #took(identity: ProcessIdentity): Promise<void> {
    this.#isUp = true;
    if (identity.pid !== this.#record.process?.pid) await this.#change({ process: identity });
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopWatching;
    let nextRotation = 0;
    while (!signal.aborted) {
      const { process: identity } = this.#record;
      if (identity && (await isAlive(identity))) {
        if (this.#record.deaths > 0 && Date.now() - Date.parse(this.#record.startedAt) > stableAfterMs)
          await this.#change({ deaths: 0, failure: undefined });
        if (Date.now() >= nextRotation) {
          nextRotation = Date.now() + rotateEveryMs;
          await rotateLog(this.#options.logFile);
        }
        await delay(watchEveryMs, undefined, { signal }).catch(() => undefined);
      } else await this.#restart(signal);
    }
  }

  async #restart(signal: AbortSignal): Promise<void> {
    this.#isUp = false;
    const deaths = this.#record.deaths + 1;
    await this.#change({ process: undefined, deaths, failure: await this.#describeDeath(deaths) });
    await delay(pauseAfter(deaths), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await this.#spawn(this.#record.restarts + 1);
  }

  async #spawn(restarts: number): Promise<void> {
    // Written down before the start: a host killed in between looks for an orphan in this instance's folder.
    await this.#change({ startedAt: new Date().toISOString(), restarts, process: undefined });
    const pid = await this.#launch();
    const identity = pid === undefined ? undefined : await identify(pid);
    if (!identity) return;
    this.#isUp = true;
    await this.#change({ process: identity });
  }

  async #launch(): Promise<number | undefined> {
    const { directory, logFile } = this.#options;
    const [command = '', ...args] = this.#record.spec.command;
    const log = await openLog(logFile);
    try {
      const child = spawn(command === 'node' ? process.execPath : command, args, {
        cwd: directory,
        env: environmentOf(this.#record, process.env.PATH ?? '/usr/bin:/bin'),
        // A session of its own: no signal or closing terminal of ours reaches it.
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        shell: false,
      });
      this.#lastExit = '';
      child.once('exit', (code, endedBy) => {
        if (this.#record.process?.pid === child.pid) this.#isUp = false;
        this.#lastExit = endedBy === null ? `ended with exit code ${code}` : `was ended by ${endedBy}`;
      });
      child.once('error', (error: NodeJS.ErrnoException) => {
        this.#lastExit = `could not be started (${error.code ?? error.message})`;
      });
      child.unref();
      return child.pid;
    } finally {
      log.close();
    }
  }

  async #describeDeath(deaths: number): Promise<string> {
    const seconds = Math.max(0, (Date.now() - Date.parse(this.#record.startedAt)) / 1_000).toFixed(1);
    const lines = await readLogTail(this.#options.logFile, 10);
    const told = `${this.#record.spec.command[0]} ${this.#lastExit || 'ended while the host was away'} after ${seconds} s (${deaths} in a row)`;
    return lines.length === 0 ? `${told}; it wrote no log` : `${told}; last lines:\n${lines.join('\n').slice(-4_000)}`;
  }

  async #change(change: Partial<InstanceRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.#options.save(this.#record);
  }
}

async function end(leader: ProcessIdentity, killAt: number): Promise<void> {
  signalGroup(leader.pid, 'SIGTERM');
  while (await isAlive(leader)) {
    if (Date.now() >= killAt) signalGroup(leader.pid, 'SIGKILL');
    await delay(20);
  }
  for (const left of await listSession(leader.pid)) {
    if (await isAlive(left)) sendSignal(left.pid, 'SIGKILL');
  }
}

/** The leader was seen alive just before, so the group is still its own. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  sendSignal(-pid, name);
}

function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
