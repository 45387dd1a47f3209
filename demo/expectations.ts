/** What the demo must show, as data: every expectation with whether it held and what was seen. */
export interface Expectation {
  readonly what: string;
  readonly held: boolean;
  readonly seen: unknown;
}

export interface ToldRelease {
  readonly version: string;
  readonly outcome: string;
  readonly stages: readonly {
    readonly environment: string;
    readonly state: string;
    readonly weights: readonly number[];
    readonly seconds: number;
  }[];
  readonly verdict?: {
    readonly kind: string;
    readonly e: number;
    readonly logE: number;
    readonly ratio: unknown;
    readonly requests: { readonly canary: number; readonly stable: number };
    readonly secondsToVerdict: number;
  };
  readonly millisecondsToZeroShare?: number;
  readonly extraFailedRequests?: number;
}

export interface Refusal {
  readonly what: string;
  readonly code: string;
  readonly status: number;
  readonly nextOpening?: string;
  readonly diff?: readonly unknown[];
}

export interface Told {
  readonly releases: readonly ToldRelease[];
  readonly refusals: readonly Refusal[];
  readonly ledger: { readonly size: number; readonly root: string; readonly verified: boolean };
  /** Requests of users that nobody answered, or that the router could not serve. */
  readonly unserved: number;
  /** Users answered by the stable version while the bad canary stood beside it. */
  readonly servedByStableDuringRollback: number;
  readonly seconds: number;
}

export function expectationsOf(told: Told): readonly Expectation[] {
  const release = (version: string) => told.releases.find((r) => r.version === version);
  const refusal = (what: string) => told.refusals.find((r) => r.what === what);
  const good = release('1.1.0');
  const bad = release('1.2.0');
  const production = (r: ToldRelease | undefined) => r?.stages.find((s) => s.environment === 'production')?.weights ?? [];
  const expect = (what: string, held: boolean, seen: unknown): Expectation => ({ what, held, seen });
  return [
    expect('1.0.0 reaches production', release('1.0.0')?.outcome === 'completed', release('1.0.0')?.outcome),
    expect('1.1.0 is promoted over 5, 25 and 100 %', good?.outcome === 'completed' && production(good).join() === '5,25,100', [
      good?.outcome,
      production(good),
    ]),
    expect('1.1.0 passes early', good?.verdict?.kind === 'pass', good?.verdict?.kind),
    expect('1.2.0 is rolled back by the judge', bad?.outcome === 'rolled-back' && bad.verdict?.kind === 'rollback', [
      bad?.outcome,
      bad?.verdict?.kind,
    ]),
    expect(
      'its share is zero within a second of the verdict',
      bad?.millisecondsToZeroShare !== undefined && bad.millisecondsToZeroShare <= 1000,
      bad?.millisecondsToZeroShare,
    ),
    expect('the version before served all the while', told.servedByStableDuringRollback > 0 && told.unserved === 0, {
      served: told.servedByStableDuringRollback,
      unserved: told.unserved,
    }),
    expect('the author of 1.1.0 cannot approve it', refusal('author-approval')?.code === 'approval.author', refusal('author-approval')),
    expect(
      'an approval is void after the candidate changed, with the difference',
      refusal('stale-approval')?.code === 'candidate.stale' && (refusal('stale-approval')?.diff?.length ?? 0) > 0,
      refusal('stale-approval'),
    ),
    expect(
      'a freeze refuses a deployment with the next opening',
      refusal('freeze')?.status === 423 && refusal('freeze')?.nextOpening !== undefined,
      refusal('freeze'),
    ),
    expect('the ledger verifies', told.ledger.verified && told.ledger.size > 0, told.ledger),
    expect('it takes less than eight minutes', told.seconds < 480, told.seconds),
  ];
}
