import { Fault, type FaultItem } from '../../platform/fault.ts';

/** What one arm served in a batch. The unit of `errors` is the user: the first failure per user and window (users.ts). */
export interface ArmBatch {
  readonly requests: number;
  readonly errors: number;
  /** Every failed request, where `errors` counts users. Only the hard stop reads it: a success is a request that did not fail. */
  readonly failedRequests?: number;
}

/** The same two arms, seen through one more metric or in one segment of the traffic. */
export interface Comparison {
  readonly canary: ArmBatch;
  readonly stable: ArmBatch;
}

/** One batch of counts, usually a second. A second in which the weights changed comes as two batches. */
export interface Batch {
  readonly second: number;
  readonly canary: ArmBatch;
  readonly stable: ArmBatch;
  /** A fresh instance of the stable version: as young as the canary, so cold caches cancel out. Read when `control` is `baseline`. */
  readonly baseline?: ArmBatch;
  /** Milliseconds of single requests; any unit will do, only ranks are used. */
  readonly latency?: { readonly canary: readonly number[]; readonly stable: readonly number[] };
  /** Canary weight 0..1 set on the router, for the share check. */
  readonly expectedShare?: number;
  /** Further error metrics, by the names declared in the settings. */
  readonly metrics?: Readonly<Record<string, Comparison>>;
  /** The same requests split by country, endpoint, …: each segment declared in the settings gets evidence of its own. */
  readonly segments?: Readonly<Record<string, Comparison>>;
}

/** What a rule on counts needs of a batch: the share of the canary in the traffic and in the errors. */
export interface Split {
  /** w = Nc / (Nc + Nb). */
  readonly share: number;
  readonly canaryErrors: number;
  /** Of both arms. */
  readonly errors: number;
}

/** The split of two arms; a batch in which one arm served nothing has share 0 or 1 and moves no evidence. */
export function splitOf(canary: ArmBatch, control: ArmBatch): Split {
  const requests = canary.requests + control.requests;
  return { share: requests === 0 ? 0 : canary.requests / requests, canaryErrors: canary.errors, errors: canary.errors + control.errors };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function faultsOfArm(arm: ArmBatch | undefined, pointer: string): FaultItem[] {
  if (arm === undefined) return [{ pointer, detail: 'expected the counts of this arm, got none' }];
  const faults: FaultItem[] = [];
  for (const field of ['requests', 'errors'] as const) {
    if (!isCount(arm[field])) faults.push({ pointer: `${pointer}/${field}`, detail: `expected a whole number from 0, got ${arm[field]}` });
  }
  if (arm.errors > arm.requests) {
    faults.push({ pointer: `${pointer}/errors`, detail: `expected at most ${arm.requests} errors (the requests), got ${arm.errors}` });
  }
  const failed = arm.failedRequests;
  if (failed !== undefined && !(isCount(failed) && failed >= arm.errors && failed <= arm.requests)) {
    faults.push({ pointer: `${pointer}/failedRequests`, detail: `expected a whole number from errors to requests, got ${failed}` });
  }
  return faults;
}

function faultsOfLatencies(values: readonly number[], pointer: string): FaultItem[] {
  const wrong = values.findIndex((value) => !(value >= 0 && value < Infinity));
  return wrong < 0 ? [] : [{ pointer: `${pointer}/${wrong}`, detail: `expected a finite number from 0, got ${values[wrong]}` }];
}

function faultsOfComparisons(comparisons: Readonly<Record<string, Comparison>> | undefined, pointer: string): FaultItem[] {
  return Object.entries(comparisons ?? {}).flatMap(([name, pair]) =>
    faultsOfArm(pair.canary, `${pointer}/${name}/canary`).concat(faultsOfArm(pair.stable, `${pointer}/${name}/stable`)),
  );
}

function isSound(arm: ArmBatch | undefined): boolean {
  return (
    arm !== undefined && isCount(arm.requests) && isCount(arm.errors) && arm.errors <= arm.requests && arm.failedRequests === undefined
  );
}

/** Every fault of a batch, each with a JSON pointer; empty when it can be judged. `after` is the second of the batch before. */
export function faultsOfBatch(batch: Batch, after: number | null): readonly FaultItem[] {
  const faults: FaultItem[] = [];
  if (!Number.isSafeInteger(batch.second)) faults.push({ pointer: '/second', detail: `expected a whole number, got ${batch.second}` });
  if (after !== null && batch.second < after)
    faults.push({ pointer: '/second', detail: `expected ${after} or later, got ${batch.second}` });
  if (!isSound(batch.canary)) faults.push(...faultsOfArm(batch.canary, '/canary'));
  if (!isSound(batch.stable)) faults.push(...faultsOfArm(batch.stable, '/stable'));
  if (batch.baseline !== undefined) faults.push(...faultsOfArm(batch.baseline, '/baseline'));
  if (batch.latency !== undefined) {
    faults.push(
      ...faultsOfLatencies(batch.latency.canary, '/latency/canary'),
      ...faultsOfLatencies(batch.latency.stable, '/latency/stable'),
    );
  }
  const share = batch.expectedShare;
  if (share !== undefined && !(share >= 0 && share <= 1)) {
    faults.push({ pointer: '/expectedShare', detail: `expected a share from 0 to 1, got ${share}` });
  }
  if (batch.metrics !== undefined) faults.push(...faultsOfComparisons(batch.metrics, '/metrics'));
  if (batch.segments !== undefined) faults.push(...faultsOfComparisons(batch.segments, '/segments'));
  return faults;
}

/** Throws `judge.batch` with all faults of the batch at once. */
export function checkBatch(batch: Batch, after: number | null): void {
  const faults = faultsOfBatch(batch, after);
  if (faults.length === 0) return;
  throw new Fault({
    code: 'judge.batch',
    status: 422,
    message: `Batch of second ${batch.second}: ${faults.map((f) => `${f.pointer}: ${f.detail}`).join('; ')}`,
    remedy: 'Send counts of finished batches in order of time, each arm with requests and errors.',
    faults,
  });
}
