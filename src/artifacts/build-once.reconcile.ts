import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';
import type { ArtifactStore } from './artifact-store.port.ts';
import { claimScratch, removeScratch, sweepScratch } from './build-scratch.reconcile.ts';
import type { BuildRunner } from './build-runner.port.ts';
import type { SourceRepository } from './source.port.ts';

export interface BuildOrder {
  readonly repository: string;
  readonly commit: string;
  /** A folder of this build's own; whatever was in it goes. Siblings whose process died are swept. */
  readonly scratch: string;
  readonly command: readonly string[];
  readonly output: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onLog?: (line: string) => void;
}

export interface BuildResult {
  readonly digest: Digest;
  readonly bytes: number;
  /** The last 2,000 lines. */
  readonly log: readonly string[];
}

const mostLines = 2_000;

/**
 * Checkout, command, pack, put. Idempotent as a whole: repeat it after a kill -9 at any instant, the store holds the
 * artifact at most once and nothing else stays. A Fault of the build carries the log in `extra.log`.
 */
export async function buildOnce(parts: {
  readonly source: SourceRepository;
  readonly runner: BuildRunner;
  readonly store: ArtifactStore;
  readonly request: BuildOrder;
}): Promise<BuildResult> {
  const { source, runner, store, request } = parts;
  const { repository, commit, scratch, onLog, ...order } = request;
  const log: string[] = [];
  const keep = (line: string) => {
    log.push(line);
    if (log.length > mostLines) log.shift();
    onLog?.(line);
  };
  await sweepScratch(scratch);
  await claimScratch(scratch);
  try {
    const directory = join(scratch, 'source');
    await mkdir(directory);
    await source.checkout({ repository, commit, directory });
    const { archive } = await runner.run({ ...order, directory, onLog: keep });
    return { ...(await store.put(archive)), log };
  } catch (error) {
    throw withLog(error, log);
  } finally {
    await removeScratch(scratch);
  }
}

function withLog(error: unknown, log: readonly string[]): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, status, message, remedy, retryable, faults, extra, cause } = error;
  return new Fault({
    code,
    status,
    message,
    retryable,
    faults,
    cause,
    extra: { ...extra, log },
    ...(remedy === undefined ? {} : { remedy }),
  });
}
