import type { ArtifactStore, BuildRunner, SourceRepository } from '../artifacts/index.ts';
import type { DeploymentTarget, TrafficRouter } from '../environments/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Transaction } from '../platform/database/database.ts';
import { transact } from '../platform/database/retry.ts';
import type { Lease, Queue } from '../platform/queue/index.ts';
import type { LoadedRun } from './run-facts.store.ts';

/** What the reconciler reaches the outside with. Wired in worker.ts. */
export interface RunDependencies {
  readonly db: Database;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly source: SourceRepository;
  readonly runner: BuildRunner;
  readonly store: ArtifactStore;
  readonly target: DeploymentTarget;
  readonly router: TrafficRouter;
  /** Where builds unpack sources; swept when a build ends. */
  readonly scratch: string;
  readonly log: (line: string) => void;
}

/** One pass over one run: the run as it is now, and the lease under which anything may be changed. */
export interface Pass extends RunDependencies {
  readonly lease: Lease;
  readonly run: LoadedRun;
}

/** The transaction of an action: refused as a whole when the lease was taken over meanwhile. */
export function guarded<T>(pass: Pass, work: (tx: Transaction, now: Date) => Promise<T>): Promise<T> {
  return transact(pass.db, async (tx) => {
    await pass.lease.guard(tx);
    return work(tx, pass.clock.now());
  });
}

export const reconcilerActor = 'system:reconciler';
