import { z } from 'zod';
import type { Instance, InstanceSpec } from '../../environments/target.port.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What the host remembers of an instance: enough to take it up again after kill -9 or a reboot. */
export interface InstanceRecord {
  readonly spec: InstanceSpec;
  /** Kept for life: a restart listens where it did before, so routes stay true. */
  readonly port: number;
  /** `stopping` is written down before the signal, so that a host that dies in between goes on with it. */
  readonly wanted: 'running' | 'stopping' | 'stopped';
  readonly process?: ProcessIdentity | undefined;
  readonly startedAt: string;
  readonly restarts: number;
  /** Deaths in a row without a stable run between. */
  readonly deaths: number;
  readonly failure?: string | undefined;
  /** When `stopping` turns into SIGKILL. */
  readonly killAt?: string | undefined;
}

/** Five deaths in a row are a crash loop: shown as failed, and tried again with the longest pause. */
export const deathsUntilFailed = 5;
/** Up this long counts as a stable run. */
export const stableAfterMs = 10_000;
const firstPauseMs = 250;
const longestPauseMs = 30_000;

/** Pause before the next start: 0.25, 0.5, 1, 2, … 30 seconds. */
export function pauseAfter(deaths: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** Math.max(0, deaths - 1));
}

function stateOf(record: InstanceRecord, isAlive: boolean): Instance['state'] {
  if (record.wanted === 'stopped') return 'stopped';
  if (record.deaths >= deathsUntilFailed) return 'failed';
  return isAlive ? 'running' : 'restarting';
}

export function instanceOf(record: InstanceRecord, isAlive: boolean): Instance {
  const state = stateOf(record, isAlive);
  const { spec } = record;
  return {
    name: spec.name,
    state,
    url: `http://127.0.0.1:${record.port}`,
    version: spec.version,
    artifactDigest: spec.artifactDigest,
    startedAt: new Date(record.startedAt),
    restarts: record.restarts,
    ...(record.failure !== undefined && state !== 'running' && state !== 'stopped' ? { failure: record.failure } : {}),
  };
}

const name = z.string().regex(/^[\w.:@/-]{1,200}$/, 'expected letters, digits and . : @ / _ -');
const text = z
  .string()
  .max(32_768)
  .refine((value) => !value.includes('\0'), 'expected text without NUL');

const SpecInput: z.ZodType<InstanceSpec> = z.strictObject({
  name,
  application: name,
  environment: name,
  version: z.string().regex(/^[\w.+-]{1,100}$/),
  artifactDigest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits'),
  command: z.array(text.min(1)).min(1).max(256),
  environmentVariables: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, 'expected a variable name'), text)
    .refine((all) => Object.keys(all).length <= 1_000),
});

const FenceInput = z.strictObject({ lane: z.string().max(400), token: z.int().nonnegative() });

export const inputs = {
  ensureInstance: z.strictObject({ spec: SpecInput, fence: FenceInput, archive: z.string().min(1).max(4_096) }),
  findInstance: z.strictObject({ name }),
  stopInstance: z.strictObject({ name, fence: FenceInput, graceMs: z.number().min(0).max(600_000) }),
  readLog: z.strictObject({ name, lines: z.int().nonnegative() }),
};

/** A folder name that no instance name can leave or share. */
export function folderOf(instance: string): string {
  return encodeURIComponent(instance).replaceAll('.', '%2E');
}

/**
 * Only what is declared reaches the application, and what the target adds wins: none of the host's own variables, which
 * may hold secrets.
 */
export function environmentOf(record: InstanceRecord, path: string): Record<string, string> {
  const { spec } = record;
  return {
    PATH: path,
    ...spec.environmentVariables,
    PORT: String(record.port),
    TIDEGATE_VERSION: spec.version,
    TIDEGATE_INSTANCE: spec.name,
  };
}
