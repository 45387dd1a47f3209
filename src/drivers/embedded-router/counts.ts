import type { ArmCounts, CountBatch, CountCursor, CountPage } from '../../environments/router.port.ts';

/** Weights that were in force together. Every request carries the one it was picked under. */
export interface CountGeneration {
  readonly generation: number;
  readonly weights: Readonly<Record<string, number>>;
}

export interface Outcome {
  readonly deployment: string;
  readonly user: string;
  readonly failed: boolean;
  /** Undefined when the arm never answered. */
  readonly latencyMs: number | undefined;
}

export const keptSeconds = 600;
export const maxLatencies = 1_000;
export const failureWindowMs = 60_000;
/** Bounds of memory: past these, `users` and first failures of the second are counted too low, never too high. */
const maxUsersPerBatch = 100_000;
const maxFailedUsers = 100_000;

interface OpenArm {
  requests: number;
  errors: number;
  failedUsers: number;
  readonly users: Set<string>;
  readonly latencies: number[];
  latenciesSeen: number;
}

interface OpenBatch {
  readonly of: CountGeneration;
  readonly arms: Map<string, OpenArm>;
}

/**
 * The counts of one lane: a batch per second and generation, kept for ten minutes. A second is closed when time has moved
 * past it; a request that ends after its generation did is counted under its own generation, with that one's weights.
 * Every second has a batch, an empty one too: a reader must see that no traffic came.
 */
export class LaneCounts {
  readonly #epoch: string;
  #sequence = 0;
  #second: number;
  #open: OpenBatch[] = [];
  #closed: CountBatch[] = [];
  readonly #lastFailure = new Map<string, Map<string, number>>();
  #random = 0x9e3779b9;

  constructor(epoch: string, nowMs: number) {
    this.#epoch = epoch;
    this.#second = Math.floor(nowMs / 1000);
  }

  record(of: CountGeneration, outcome: Outcome, nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second > this.#second) this.advance(of, nowMs);
    const arm = this.#arm(of, outcome.deployment);
    arm.requests++;
    if (arm.users.size < maxUsersPerBatch) arm.users.add(outcome.user);
    if (outcome.latencyMs !== undefined) this.#sample(arm, outcome.latencyMs);
    if (!outcome.failed) return;
    arm.errors++;
    if (this.#isFirstFailure(outcome.deployment, outcome.user, nowMs)) arm.failedUsers++;
  }

  /** Closes every second before `nowMs`. `current` is the generation in force now. */
  advance(current: CountGeneration, nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    if (now <= this.#second) return;
    // A machine that slept for hours owes no batch for each second of it.
    const from = Math.max(this.#second, now - keptSeconds);
    this.#batch(current);
    this.#close(this.#second);
    for (let second = Math.max(from, this.#second + 1); second < now; second++) {
      this.#batch(current);
      this.#close(second);
    }
    this.#second = now;
    const oldest = now - keptSeconds;
    const keepFrom = this.#closed.findIndex((batch) => batch.second >= oldest);
    if (keepFrom > 0) this.#closed = this.#closed.slice(keepFrom);
  }

  read(after: CountCursor | undefined): CountPage {
    const from = after && after.epoch === this.#epoch ? after.sequence : -1;
    const batches = this.#closed.filter((batch) => batch.sequence > from).slice(0, keptSeconds);
    const sequence = batches.at(-1)?.sequence ?? Math.max(from, this.#sequence - 1);
    return { cursor: { epoch: this.#epoch, sequence }, batches };
  }

  #batch(of: CountGeneration): OpenBatch {
    // Nearly always one open batch; two in the second of a shift.
    for (const batch of this.#open) if (batch.of.generation === of.generation) return batch;
    const batch = { of, arms: new Map(Object.keys(of.weights).map((deployment) => [deployment, emptyArm()])) };
    this.#open.push(batch);
    return batch;
  }

  #arm(of: CountGeneration, deployment: string): OpenArm {
    const { arms } = this.#batch(of);
    const known = arms.get(deployment);
    if (known) return known;
    const arm = emptyArm();
    arms.set(deployment, arm);
    return arm;
  }

  #close(second: number): void {
    for (const { of, arms } of this.#open.toSorted((a, b) => a.of.generation - b.of.generation)) {
      this.#closed.push({
        sequence: this.#sequence++,
        second,
        generation: of.generation,
        weights: of.weights,
        arms: Object.fromEntries([...arms].map(([deployment, arm]) => [deployment, closedArm(arm)])),
      });
    }
    this.#open = [];
  }

  /** Algorithm R: every latency of the batch has the same chance to be kept. */
  #sample(arm: OpenArm, latencyMs: number): void {
    const rounded = Math.round(latencyMs * 100) / 100;
    arm.latenciesSeen++;
    if (arm.latencies.length < maxLatencies) arm.latencies.push(rounded);
    else {
      const slot = this.#nextBelow(arm.latenciesSeen);
      if (slot < maxLatencies) arm.latencies[slot] = rounded;
    }
  }

  /** xorshift32: sampling needs no secrecy, and a seed of its own keeps a replay equal. */
  #nextBelow(limit: number): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return Math.floor(((x >>> 0) / 4_294_967_296) * limit);
  }

  #isFirstFailure(deployment: string, user: string, nowMs: number): boolean {
    let failures = this.#lastFailure.get(deployment);
    if (!failures) this.#lastFailure.set(deployment, (failures = new Map()));
    const last = failures.get(user);
    // Deleted and set again, so that the map stays ordered by time and forgetting starts at its front.
    failures.delete(user);
    failures.set(user, nowMs);
    for (const [oldUser, at] of failures) {
      if (nowMs - at < failureWindowMs && failures.size <= maxFailedUsers) break;
      failures.delete(oldUser);
    }
    return last === undefined || nowMs - last >= failureWindowMs;
  }

  /** Forgets the failures of deployments that left the route for good. */
  forget(deployment: string): void {
    this.#lastFailure.delete(deployment);
  }
}

function emptyArm(): OpenArm {
  return { requests: 0, errors: 0, failedUsers: 0, users: new Set(), latencies: [], latenciesSeen: 0 };
}

function closedArm(arm: OpenArm): ArmCounts {
  return { requests: arm.requests, errors: arm.errors, users: arm.users.size, failedUsers: arm.failedUsers, latenciesMs: arm.latencies };
}
