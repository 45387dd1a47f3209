/**
 * Where application processes run. Applications outlive the control plane: whatever happens to server, worker or
 * database, what runs goes on running.
 *
 * Every changing call carries a fencing token (drawn when the caller took its lease, ever rising). A target remembers
 * the highest token seen per `lane` and refuses a lower one with a Fault `lease.fenced` (409, not retryable).
 */
export interface Fence {
  /** `application/environment`. */
  readonly lane: string;
  readonly token: number;
}

export interface InstanceSpec {
  /** Unique name, chosen by the caller: the deployment's id. */
  readonly name: string;
  readonly application: string;
  readonly environment: string;
  readonly version: string;
  /** The archive to run: the target verifies this digest over the bytes before unpacking them. */
  readonly artifactDigest: string;
  /** Started without a shell, in the unpacked archive. */
  readonly command: readonly string[];
  /** Effective configuration. The target adds PORT, TIDEGATE_VERSION and TIDEGATE_INSTANCE. */
  readonly environmentVariables: Readonly<Record<string, string>>;
}

export interface Instance {
  readonly name: string;
  readonly state: 'running' | 'restarting' | 'failed' | 'stopped';
  /** Where it listens, `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly version: string;
  readonly artifactDigest: string;
  readonly startedAt: Date;
  readonly restarts: number;
  /** Why it failed, with the last lines of its log. */
  readonly failure?: string;
}

export interface DeploymentTarget {
  /** Idempotent: the same name and spec give the instance that already runs; another spec under that name is a Fault 409. */
  ensureInstance(spec: InstanceSpec, fence: Fence): Promise<Instance>;
  /** Reads only. Undefined when no such instance was ever started here. */
  findInstance(name: string): Promise<Instance | undefined>;
  listInstances(): Promise<readonly Instance[]>;
  /** Idempotent: SIGTERM, then SIGKILL after `graceMs`. A missing instance is fine. */
  stopInstance(name: string, fence: Fence, graceMs: number): Promise<void>;
  /** The newest lines of standard output and error. */
  readLog(name: string, lines: number): Promise<readonly string[]>;
}
