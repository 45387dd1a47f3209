import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fence, Instance, InstanceSpec } from '../../environments/target.port.ts';
import { digestOfJson } from '../../platform/digest.ts';
import { Fault } from '../../platform/fault.ts';
import { requireFence, requireFenceOf } from '../../platform/fence.ts';
import { loadStateFile, saveStateFile } from '../../platform/state-file.ts';
import { readLogTail } from './application-log.ts';
import { takeArchive } from './archive.ts';
import { folderOf, instanceOf, type InstanceRecord } from './instance.ts';
import { choosePort } from './port-range.ts';
import { SupervisedProcess } from './supervised-process.ts';
import { unpackArchive } from './unpack.ts';

export interface ProcessHostOptions {
  /** Folder of the host: state, archives, unpacked applications, logs. */
  readonly folder: string;
  readonly ports: { readonly from: number; readonly to: number };
  readonly onTrouble: (error: unknown) => void;
}

interface State {
  readonly format: 1;
  readonly fences: Readonly<Record<string, number>>;
  readonly instances: readonly InstanceRecord[];
}

/** Stopped instances are remembered for their logs and for `findInstance`; beyond this many the oldest are forgotten. */
const keptStopped = 100;

/** The application processes of one home. Calls on one instance are carried out one after the other. */
export class ProcessHost {
  readonly #options: ProcessHostOptions;
  readonly #fences = new Map<string, number>();
  readonly #instances = new Map<string, SupervisedProcess>();
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Ports promised to instances that are being unpacked. */
  readonly #promised = new Set<number>();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ProcessHostOptions) {
    this.#options = options;
  }

  /** Takes up every instance: adopts what runs, starts what died meanwhile, goes on stopping what was being stopped. */
  async restore(): Promise<void> {
    await rm(join(this.#options.folder, 'archives'), { recursive: true, force: true });
    const state = (await loadStateFile(this.#stateFile)) as State | undefined;
    for (const [lane, token] of Object.entries(state?.fences ?? {})) this.#fences.set(lane, token);
    for (const record of state?.instances ?? []) this.#instances.set(record.spec.name, this.#supervise(record));
    await Promise.all([...this.#instances.values()].map((supervised) => this.#takeUp(supervised)));
  }

  ensureInstance(spec: InstanceSpec, fence: Fence, archive: string): Promise<Instance> {
    return this.#inTurn(spec.name, async () => {
      await this.#passFence(`${spec.application}/${spec.environment}`, fence);
      const known = this.#instances.get(spec.name);
      if (known && digestOfJson(known.record.spec) !== digestOfJson(spec)) throw otherSpec(spec);
      if (known && known.record.wanted === 'running') return instanceOf(known.record, known.isUp);
      if (known?.record.wanted === 'stopping') await known.stop(0);
      const supervised = await this.#prepare(spec, archive, known?.record);
      await supervised.start();
      return instanceOf(supervised.record, supervised.isUp);
    });
  }

  findInstance(name: string): Instance | undefined {
    const known = this.#instances.get(name);
    return known && instanceOf(known.record, known.isUp);
  }

  listInstances(): readonly Instance[] {
    return [...this.#instances.values()].map((known) => instanceOf(known.record, known.isUp));
  }

  stopInstance(name: string, fence: Fence, graceMs: number): Promise<void> {
    return this.#inTurn(name, async () => {
      const known = this.#instances.get(name);
      const lane = known ? `${known.record.spec.application}/${known.record.spec.environment}` : fence.lane;
      await this.#passFence(lane, fence);
      if (!known || known.record.wanted === 'stopped') return;
      await known.stop(graceMs);
      await rm(this.#directoryOf(name), { recursive: true, force: true });
      await this.#forgetOldest();
    });
  }

  readLog(name: string, lines: number): Promise<readonly string[]> {
    if (!this.#instances.has(name)) {
      throw new Fault({ code: 'instance.unknown', status: 404, message: `expected an instance that was started here, got ${name}` });
    }
    return readLogTail(this.#logOf(name), lines);
  }

  /** The applications run on; the next host takes them up. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
    await Promise.all([...this.#instances.values()].map((supervised) => supervised.letGo()));
    await this.#saving;
  }

  /** The applications end as well; the next host starts again those that should run. */
  async suspend(graceMs: number): Promise<void> {
    await Promise.allSettled(this.#turns.values());
    await Promise.all([...this.#instances.values()].map((supervised) => supervised.suspend(graceMs)));
    await this.#saving;
  }

  async #takeUp(supervised: SupervisedProcess): Promise<void> {
    const { record } = supervised;
    try {
      if (record.wanted === 'running') await supervised.start();
      if (record.wanted === 'stopping') {
        void this.#inTurn(record.spec.name, () => supervised.stop(0)).catch((error: unknown) => this.#options.onTrouble(error));
      }
    } catch (error) {
      this.#options.onTrouble(error);
    }
  }

  /** Verified and unpacked beside, then moved into place: a host killed in between leaves no half application. */
  async #prepare(spec: InstanceSpec, archive: string, before: InstanceRecord | undefined): Promise<SupervisedProcess> {
    const directory = this.#directoryOf(spec.name);
    const beside = `${directory}.new`;
    const copy = await takeArchive({ path: archive, digest: spec.artifactDigest }, join(this.#options.folder, 'archives'));
    try {
      await rm(beside, { recursive: true, force: true });
      await mkdir(join(this.#options.folder, 'instances'), { recursive: true, mode: 0o700 });
      await unpackArchive(copy, beside);
      await rm(directory, { recursive: true, force: true });
      await rename(beside, directory);
    } finally {
      await Promise.all([rm(copy, { force: true }), rm(beside, { recursive: true, force: true })]);
    }
    const port = before?.port ?? (await this.#choosePort());
    const record: InstanceRecord = { spec, port, wanted: 'running', startedAt: new Date().toISOString(), restarts: 0, deaths: 0 };
    const supervised = this.#supervise(record);
    this.#instances.set(spec.name, supervised);
    this.#promised.delete(port);
    return supervised;
  }

  async #choosePort(): Promise<number> {
    const taken = new Set([...this.#promised, ...[...this.#instances.values()].map((known) => known.record.port)]);
    const port = await choosePort(this.#options.ports, taken);
    this.#promised.add(port);
    return port;
  }

  #supervise(record: InstanceRecord): SupervisedProcess {
    const { name } = record.spec;
    return new SupervisedProcess({
      record,
      directory: this.#directoryOf(name),
      logFile: this.#logOf(name),
      save: () => this.#save(),
      onTrouble: this.#options.onTrouble,
    });
  }

  async #passFence(lane: string, fence: Fence): Promise<void> {
    requireFenceOf(lane, fence.lane);
    const seen = this.#fences.get(lane) ?? 0;
    requireFence(lane, seen, fence.token);
    if (fence.token === seen) return;
    this.#fences.set(lane, fence.token);
    await this.#save();
  }

  async #forgetOldest(): Promise<void> {
    const stopped = [...this.#instances.values()].filter((known) => known.record.wanted === 'stopped');
    const oldest = stopped
      .toSorted((a, b) => a.record.startedAt.localeCompare(b.record.startedAt))
      .slice(0, Math.max(0, stopped.length - keptStopped));
    for (const { record } of oldest) {
      this.#instances.delete(record.spec.name);
      await rm(this.#logOf(record.spec.name), { force: true });
      await rm(`${this.#logOf(record.spec.name)}.1`, { force: true });
    }
    if (oldest.length > 0) await this.#save();
  }

  /** One writer at a time; each writes what is true when its turn comes. */
  #save(): Promise<void> {
    const write = async (): Promise<void> => {
      const instances = [...this.#instances.values()].map((known) => known.record);
      const state: State = { format: 1, fences: Object.fromEntries(this.#fences), instances };
      await saveStateFile(this.#stateFile, state);
    };
    const turn = this.#saving.then(write);
    this.#saving = turn.catch(() => undefined);
    return turn;
  }

  #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    const quiet = turn.catch(() => undefined);
    this.#turns.set(name, quiet);
    void quiet.then(() => this.#turns.get(name) === quiet && this.#turns.delete(name));
    return turn;
  }

  get #stateFile(): string {
    return join(this.#options.folder, 'state.json');
  }

  #directoryOf(name: string): string {
    return join(this.#options.folder, 'instances', folderOf(name));
  }

  #logOf(name: string): string {
    return join(this.#options.folder, 'logs', `${folderOf(name)}.log`);
  }
}

function otherSpec(spec: InstanceSpec): Fault {
  return new Fault({
    code: 'instance.other-spec',
    status: 409,
    message: `expected the specification ${spec.name} was started with, got another one`,
    remedy: 'Give the new specification a name of its own.',
  });
}
