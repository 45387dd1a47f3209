import type { Reason } from '../platform/decision.ts';
import type { Digest } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';

/** One attempt to make a release's artifact from its commit. */
export type BuildState = 'queued' | 'running' | 'succeeded' | 'failed';

export const buildTransitions = {
  queued: ['running', 'failed'],
  running: ['succeeded', 'failed'],
  succeeded: [],
  failed: [],
} as const satisfies Record<BuildState, readonly BuildState[]>;

export interface Build {
  /** `application@version~attempt`. */
  readonly id: string;
  readonly release: string;
  /** 1 for a release's first build; only a failed build is followed by another. */
  readonly attempt: number;
  readonly application: string;
  readonly tag: string;
  readonly commit: string;
  readonly state: BuildState;
  /** Of the archive, once it succeeded. */
  readonly artifactDigest?: Digest;
  /** Why it failed. */
  readonly reason?: Reason;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
}

export function buildId(release: string, attempt: number): string {
  return `${release}~${attempt}`;
}

/** The attempt to work on: the newest one, or the next after one that failed. */
export function attemptToStart(newest: Pick<Build, 'attempt' | 'state'> | undefined): number {
  if (newest === undefined) return 1;
  return newest.state === 'failed' ? newest.attempt + 1 : newest.attempt;
}

/** Throws Fault `build.wrong-state` (409) unless the table allows the step. */
export function checkBuildStep(build: Pick<Build, 'id' | 'state'>, to: BuildState): void {
  const allowed: readonly BuildState[] = buildTransitions[build.state];
  if (allowed.includes(to)) return;
  throw new Fault({
    code: 'build.wrong-state',
    status: 409,
    message: `expected the build ${build.id} to be able to become ${to}, got one that is ${build.state}`,
    remedy: 'Look at the build again: somebody else has ended it.',
  });
}

/** A build that succeeded gave one artifact for ever. Throws Fault `artifact.immutable` (409) with both digests. */
export function refuseOtherBytes(build: Pick<Build, 'id'>, known: Digest, offered: Digest): void {
  if (known === offered) return;
  throw new Fault({
    code: 'artifact.immutable',
    status: 409,
    message: `expected the build ${build.id} to be ${known} for ever, got ${offered}`,
    remedy: 'The build is not reproducible: find what differs between the two archives, then build a new version.',
    extra: { expected: known, got: offered },
  });
}

const keptLogBytes = 256 * 1024;

/** The end of a log, as whole lines, small enough for a row. */
export function keptLog(lines: readonly string[]): string {
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines.toReversed()) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > keptLogBytes) return ['… earlier lines are left out', ...kept.toReversed()].join('\n');
    kept.push(line);
  }
  // PostgreSQL text cannot hold the character NUL.
  return kept.toReversed().join('\n').replaceAll('\0', '');
}
