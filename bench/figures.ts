/** What a figure must be to hold; a figure without a goal explains another. */
export interface Figure {
  readonly name: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const falseAlarms = ['aa', 'incident', 'lowtraffic', 'bursts', '20metrics', 'latency'];

/** Every figure of `npm run bench`. A part may report no other name, so what is measured and what is asked for cannot drift. */
export const figures: readonly Figure[] = [
  { name: 'decide.per_s', atLeast: 20_000 },
  { name: 'judge.batches_per_s', atLeast: 100_000 },
  { name: 'judge.latency_samples_per_s', atLeast: 1_000_000 },
  { name: 'ledger.append_per_s' },
  { name: 'ledger.append_ratio', atLeast: 0.5 },
  { name: 'ledger.verify_per_s' },
  { name: 'reconcile.event_to_action_ms_p50', atMost: 50 },
  { name: 'reconcile.event_to_action_ms_p99' },
  { name: 'reconcile.actions_per_s_1' },
  { name: 'reconcile.actions_per_s_2' },
  { name: 'reconcile.turns_per_s_1' },
  { name: 'router.cpu_us_per_request' },
  { name: 'upstream.cpu_us_per_request' },
  { name: 'router.shift_ms_p99' },
  { name: 'start.first_ready_ms' },
  { name: 'start.ready_ms', atMost: 5_000 },
  { name: 'scale.releases' },
  { name: 'scale.ledger_entries' },
  { name: 'scale.status_ms_p50' },
  { name: 'scale.status_ms_p99', atMost: 20 },
  { name: 'scale.why_ms_p50' },
  { name: 'scale.why_ms_p99', atMost: 20 },
  { name: 'scale.releases_ms_p50' },
  { name: 'scale.releases_ms_p99', atMost: 20 },
  { name: 'scale.ledger_entries_ms_p50' },
  { name: 'scale.ledger_entries_ms_p99' },
  { name: 'scale.ledger_proof_ms_p50' },
  { name: 'scale.ledger_proof_ms_p99' },
  { name: 'rollback.verdict_to_zero_share_ms', atMost: 1_000 },
  { name: 'rollback.verdict_to_last_canary_answer_ms' },
  ...falseAlarms.map((scenario) => ({ name: `canary.fa_${scenario}`, atMost: 0.01 })),
  { name: 'canary.delay_4x_median_s', atMost: 55 },
  { name: 'canary.delay_4x_mean_s', atMost: 65 },
  { name: 'canary.delay_2x_median_s', atMost: 330 },
  { name: 'canary.delay_2x_mean_s' },
  { name: 'canary.delay_outage_s', atMost: 5 },
  { name: 'canary.delay_late_median_s', atMost: 100 },
  { name: 'canary.delay_lowtraffic_median_s', atMost: 45 },
  { name: 'canary.delay_1of20_median_s', atMost: 80 },
  { name: 'canary.delay_lat20_median_s', atMost: 20 },
  { name: 'canary.delay_lat10_median_s', atMost: 50 },
  { name: 'canary.delay_tail_median_s', atMost: 50 },
  { name: 'canary.harm_4x_mean', atMost: 9 },
  { name: 'canary.pass_5_median_s', atMost: 200 },
  { name: 'canary.pass_25_median_s', atMost: 65 },
  { name: 'canary.pass_50_median_s', atMost: 50 },
  { name: 'canary.pass_wrong', atMost: 0.05 },
];

/** Undefined when nothing is asked of this figure. */
export function holds(figure: Figure, value: number): boolean | undefined {
  if (figure.atLeast !== undefined) return value >= figure.atLeast;
  return figure.atMost === undefined ? undefined : value <= figure.atMost;
}
