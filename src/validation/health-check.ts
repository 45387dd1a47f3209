import { z } from 'zod';
import type { Decision } from '../platform/decision.ts';
import { allow, deny, undetermined } from '../platform/decision.ts';

/** An HTTP probe that must pass `consecutive` times in a row. Durations are in seconds. */
export const HealthCheck = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[!-~]*$/, 'expected an absolute path')
      .max(1024),
    consecutive: z.number().int().min(1).max(100).default(3),
    intervalSeconds: z.number().min(0.1).max(300).default(1),
    timeoutSeconds: z.number().min(0.1).max(60).default(2),
    deadlineSeconds: z.number().min(1).max(3600).default(60),
  })
  .refine((c) => c.deadlineSeconds >= (c.consecutive - 1) * c.intervalSeconds, {
    path: ['deadlineSeconds'],
    message: 'expected enough time for `consecutive` probes at `intervalSeconds`: this check can never pass',
  });
export type HealthCheck = z.infer<typeof HealthCheck>;

export interface ProbeResult {
  readonly at: Date;
  readonly passed: boolean;
  /** `HTTP 200 in 4 ms`, `connection refused`. */
  readonly detail: string;
}

export interface HealthFacts {
  readonly check: HealthCheck;
  /** When checking began. */
  readonly since: Date;
  /** Newest last; those before `since` do not count. */
  readonly probes: readonly ProbeResult[];
  /** How often the supervisor had to restart the instance since it was started for this deployment. */
  readonly restarts: number;
  readonly now: Date;
}

/** Allows after `consecutive` passes in a row; a restarted instance or the deadline denies; until then undetermined. */
export function decideHealth(facts: HealthFacts): Decision {
  const probes = facts.probes.filter((p) => p.at >= facts.since);
  const last = probes.at(-1);
  const row = passesInARow(probes);
  const evidence = { passesInARow: row, needed: facts.check.consecutive, probes: probes.length, last: last?.detail ?? 'no probe yet' };
  if (facts.restarts > 0) {
    return deny({
      code: 'health.restarted',
      sentence: `The instance had to be restarted ${facts.restarts} time(s).`,
      remedy: 'Read its log; fix and tag a new version.',
      evidence,
    });
  }
  if (row >= facts.check.consecutive)
    return allow({ code: 'health.passed', sentence: `${row} health checks in a row passed (${last?.detail ?? ''}).`, evidence });
  const deadline = new Date(facts.since.getTime() + facts.check.deadlineSeconds * 1000);
  if (facts.now >= deadline) {
    return deny({
      code: 'health.deadline',
      sentence: `Not healthy within ${facts.check.deadlineSeconds} s: ${evidence.last}.`,
      remedy: 'Read the instance’s log; fix and tag a new version.',
      evidence,
    });
  }
  return undetermined(
    {
      code: 'health.checking',
      sentence: `${row} of ${facts.check.consecutive} health checks in a row passed (${evidence.last}).`,
      evidence,
    },
    deadline,
  );
}

function passesInARow(probes: readonly ProbeResult[]): number {
  const failure = probes.findLastIndex((p) => !p.passed);
  return probes.length - 1 - failure;
}

/** When the next probe is due. */
export function nextProbeAt(check: HealthCheck, last: ProbeResult | undefined, now: Date): Date {
  return last ? new Date(last.at.getTime() + check.intervalSeconds * 1000) : now;
}
