import type { Victim, Quality } from './plan.ts';

/** What was collected while the run went on and after it. Invariants are judged on this alone. Times are milliseconds since 1970. */
export interface Evidence {
  readonly releases: readonly ReleaseEvidence[];
  readonly deployments: readonly DeploymentEvidence[];
  /** Approvals that must stand before an artifact enters, by environment: how many people of which role. */
  readonly approvalsBefore: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** In the order in which the database saw it. */
  readonly seen: readonly SeenChange[];
  /** In the ledger's order. */
  readonly entries: readonly LedgerEntry[];
  readonly verification: { readonly verdict: 'verified' | 'failed'; readonly size: number; readonly sentence: string };
  readonly samples: readonly Sample[];
  readonly final: FinalState;
  readonly requests: readonly UserRequest[];
  readonly kills: readonly Kill[];
  readonly stops: readonly StoppedWorker[];
}

export interface ReleaseEvidence {
  readonly id: string;
  readonly application: string;
  readonly quality: Quality;
  readonly state: string;
  /** Whether it was under way, or still rolling back, when the run gave up waiting. */
  readonly reason?: { readonly code: string; readonly sentence: string };
  /** What the judge said last of its canary in production. */
  readonly verdict?: JudgedVerdict;
  /** Who wrote, signed or asked for it. */
  readonly authors: readonly string[];
}

export interface JudgedVerdict {
  readonly kind: string;
  readonly sentence: string;
  /** Canary and stable, over the whole rollout. */
  readonly requests: { readonly canary: number; readonly stable: number };
  readonly errors: { readonly canary: number; readonly stable: number };
  /** What the judge says when it is fed the stored batches once more. */
  readonly replayed: string;
}

export interface DeploymentEvidence {
  readonly id: string;
  readonly release: string;
  readonly runsRelease: string;
  readonly application: string;
  readonly environment: string;
  readonly stage: string;
  readonly kind: 'release' | 'restore';
  readonly state: string;
  readonly step: number;
  readonly candidate: string;
  readonly artifact: string;
  /** Of its candidate, from the build. */
  readonly builtArtifact: string | undefined;
}

/** A row that changed, written down by a trigger in the transaction that changed it. */
export interface SeenChange {
  readonly number: number;
  readonly at: number;
  readonly tx: string;
  /** `tidegate worker PID`, `tidegate server PID`: the connection that did it. */
  readonly writer: string;
  readonly kind: 'release' | 'release_run' | 'build' | 'candidate' | 'approval' | 'approval_gate' | 'deployment' | 'lease' | 'entry';
  /** Id of the row; of an `entry`, the entry's id. */
  readonly subject: string;
  /** Key of the lease that covers the row: the release. */
  readonly key: string;
  readonly before?: RowState;
  readonly after: RowState;
  /** The newest lease of the key as it stood in that instant. */
  readonly lease?: { readonly token: number; readonly holder: string };
}

export interface RowState {
  readonly state?: string;
  readonly step?: number;
  readonly token?: number;
  readonly holder?: string;
}

export interface LedgerEntry {
  readonly index: number;
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Router and host as they stood; absent when one was away. The host is asked first. */
export interface Sample {
  readonly at: number;
  /** Between the two questions. */
  readonly apartMs: number;
  readonly instances?: readonly SeenInstance[];
  readonly routes?: readonly SeenRoute[];
}

export interface SeenInstance {
  readonly name: string;
  readonly state: string;
  readonly artifact: string;
  readonly restarts: number;
}

export interface SeenRoute {
  readonly lane: string;
  readonly arms: readonly { readonly deployment: string; readonly weight: number }[];
}

export interface FinalState {
  readonly lanes: readonly { readonly lane: string; readonly holder: string | null; readonly live: string | null }[];
  readonly instances: readonly SeenInstance[];
  readonly routes: readonly SeenRoute[];
  /** Instance folders in which processes of the operating system run, one mention a process group. */
  readonly processes: readonly string[];
  /** Entries that the sequencer had not moved into the ledger within its time. */
  readonly pending: number;
}

export interface UserRequest {
  readonly lane: string;
  /** When it was due, and so sent. */
  readonly from: number;
  readonly to: number;
  /** `version`: an application answered, whatever it said. */
  readonly outcome: 'version' | 'router' | 'connection' | 'unlabelled';
  readonly detail?: string;
}

export interface Kill {
  readonly victim: Victim;
  readonly pid: number;
  readonly at: number;
  /** When it served again; undefined when it never did. */
  readonly backAt: number | undefined;
}

export interface StoppedWorker {
  readonly worker: Victim;
  /** As {@link SeenChange.writer}. */
  readonly writer: string;
  readonly key: string;
  /** Of the lease it held when it was stopped. */
  readonly token: number;
  readonly stoppedAt: number;
  readonly takenOver: { readonly token: number; readonly holder: string; readonly at: number } | undefined;
  readonly continuedAt: number;
  /** Still running some seconds after it went on: it had the chance to do harm. */
  readonly wokeUp: boolean;
}

export interface Finding {
  readonly name: string;
  readonly held: boolean;
  /** What was looked at, in numbers. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** Each violation in one sentence. */
  readonly violations: readonly string[];
}

export function finding(name: string, violations: readonly string[], evidence: Finding['evidence']): Finding {
  return { name, held: violations.length === 0, evidence, violations };
}
