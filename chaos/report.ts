import type { Evidence, Finding } from './evidence.ts';
import { invariants } from './invariants/index.ts';
import { countRequests, type RequestCounts } from './invariants/traffic.ts';

/** What `--json` prints. */
export interface Report {
  readonly ok: boolean;
  readonly seed: number;
  readonly kills: { readonly total: number; readonly byVictim: Readonly<Record<string, number>>; readonly longestAwayMs: number };
  readonly stops: number;
  readonly releases: readonly {
    readonly id: string;
    readonly quality: string;
    readonly state: string;
    readonly verdict?: string;
    readonly reason?: string;
  }[];
  readonly invariants: readonly Finding[];
  readonly requests: RequestCounts;
  readonly ledger: { readonly size: number };
  readonly seconds: number;
}

export function reportOf(evidence: Evidence, { seed, seconds }: { readonly seed: number; readonly seconds: number }): Report {
  const findings = invariants.map((judge) => judge(evidence));
  const byVictim: Record<string, number> = {};
  for (const { victim } of evidence.kills) byVictim[victim] = (byVictim[victim] ?? 0) + 1;
  return {
    ok: findings.every(({ held }) => held),
    seed,
    kills: {
      total: evidence.kills.length,
      byVictim,
      longestAwayMs: Math.max(0, ...evidence.kills.map(({ at, backAt }) => (backAt ?? Infinity) - at)),
    },
    stops: evidence.stops.length,
    releases: evidence.releases.map(({ id, quality, state, verdict, reason }) => ({
      id,
      quality,
      state,
      ...(verdict && { verdict: verdict.sentence }),
      ...(reason && { reason: reason.sentence }),
    })),
    invariants: findings,
    requests: countRequests(evidence),
    ledger: { size: evidence.verification.size },
    seconds: Math.round(seconds),
  };
}

/** The same for people. */
export function textOf(report: Report): string {
  const { kills, requests } = report;
  return [
    '',
    `seed ${report.seed}: ${kills.total} kills (${Object.entries(kills.byVictim)
      .map(([victim, times]) => `${victim} ${times}`)
      .join(', ')}), ${report.stops} stops, ${report.seconds} s`,
    ...report.releases.map(
      ({ id, quality, state, reason }) => `  ${id} (${quality}): ${state}${reason === undefined ? '' : `: ${reason}`}`,
    ),
    `requests: ${requests.sent} sent, ${requests.failedByUs} failed by us, ${requests.failedInRouterRestarts} more in router restarts`,
    ...report.invariants.flatMap(({ name, held, evidence, violations }) => [
      `${held ? 'held  ' : 'BROKEN'} ${name}`,
      `         ${JSON.stringify(evidence)}`,
      ...violations.slice(0, 20).map((violation) => `       - ${violation}`),
    ]),
    report.ok ? 'every invariant held' : `broken; run it again with --seed ${report.seed}`,
    '',
  ].join('\n');
}
