import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres, stopEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { backOffMs } from '../database/retry.ts';
import { isAlive } from './process-table.ts';
import type { ProcessEvent, ProcessStatus } from './supervised-process.ts';

const name = 'postgres';

/** Keeps the embedded PostgreSQL running on its folder, under one address as long as its port stays free. */
export class SupervisedPostgres {
  readonly #options: EmbeddedOptions;
  readonly #onEvent: (event: ProcessEvent) => void;
  readonly #stopping = new AbortController();
  #running: EmbeddedPostgres | undefined;
  #state: ProcessStatus['state'] = 'starting';
  #restarts = 0;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedOptions, onEvent: (event: ProcessEvent) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
  }

  get status(): ProcessStatus {
    return { name, pid: this.#running?.pid, state: this.#state, restarts: this.#restarts, adopted: this.#running?.adopted ?? false };
  }

  /** Answers with its address. `onMoved` is told when a restart had to take another port. */
  async start(onMoved: (url: string) => void): Promise<string> {
    const { url } = await this.#launch();
    this.#watching = this.#watch(url, onMoved);
    return url;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    // Never started by us: it may be another supervisor's.
    if (!this.#running && this.#restarts === 0) return;
    await stopEmbeddedPostgres(this.#options.folder);
    this.#state = 'stopped';
    this.#onEvent({ name, event: 'stopped', ...(this.#running ? { pid: this.#running.pid } : {}) });
    this.#running = undefined;
  }

  async #launch(): Promise<EmbeddedPostgres> {
    this.#running = await startEmbeddedPostgres(this.#options);
    this.#state = 'running';
    this.#onEvent({ name, event: this.#running.adopted ? 'adopted' : 'ready', pid: this.#running.pid });
    return this.#running;
  }

  async #watch(firstUrl: string, onMoved: (url: string) => void): Promise<void> {
    let url = firstUrl;
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      const running = this.#running;
      if (running && (await isAlive(running.pid))) {
        failures = 0;
        await this.#pause(200);
        continue;
      }
      if (running) this.#onEvent({ name, event: 'ended', pid: running.pid, detail: 'gone' });
      this.#running = undefined;
      this.#state = 'restarting';
      try {
        const next = await this.#launch();
        this.#restarts += 1;
        if (next.url !== url) onMoved((url = next.url));
      } catch (error) {
        failures += 1;
        this.#onEvent({ name, event: 'ended', detail: error instanceof Error ? error.message : String(error) });
        await this.#pause(backOffMs(failures, { firstMs: 500, maxMs: 15_000 }));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}
