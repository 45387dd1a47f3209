import type { Batch } from '../batch.ts';
import { resolveSettings, type Method } from '../judge.ts';
import { logPooledRank, noPooledRank, observePooledRank } from '../rules/pooled-rank.ts';
import { seededRandom } from './random.ts';
import { historyOf, rivalsFor } from './rivals.ts';
import { scenarios, type Scenario } from './scenarios.ts';
import { judged, type Outcome } from './trial.ts';

/** Ours in the tables: the methods on errors, ranks alone on latency, and both together as a release has them. */
const ourJudges = ['a1', 'a3', 'a4'] as const;
const ourLatencyJudges = ['b1', 'a4+b1'] as const;

export interface Contest {
  readonly scenario: number;
  readonly judges: readonly string[];
  /** Of our judges. */
  readonly alpha: number;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** Outcomes by judge, in the order of the runs. */
export type Outcomes = Readonly<Record<string, readonly Outcome[]>>;

export function judgesFor(scenario: Scenario, withRivals: boolean): readonly string[] {
  const ours = scenario.latency ? ourLatencyJudges : ourJudges;
  const rivals = withRivals && !isAboutPassing(scenario) ? rivalsFor(scenario.latency).map(({ name }) => name) : [];
  return [...ours, ...rivals];
}

export function titleOf(judge: string): string {
  const titles: Readonly<Record<string, string>> = { b1: 'ours, ranks', 'a4+b1': 'ours, errors (a4) and ranks' };
  const rival = [...rivalsFor(false), ...rivalsFor(true)].find(({ name }) => name === judge);
  return rival?.title ?? titles[judge] ?? `ours, ${judge}`;
}

/** What the others do at a fixed time is no early pass, so they are not asked. */
export function isAboutPassing({ name, truth }: Scenario): boolean {
  return truth === 'limit' || name.startsWith('pass-');
}

/** Plays the runs `from` to `to` of a scenario before every judge named; each judge sees the very same streams. */
export function play({ scenario: index, judges, alpha, seed, from, to }: Contest): Outcomes {
  const scenario = scenarios[index];
  if (!scenario) throw new RangeError(`expected a scenario below ${scenarios.length}, got ${index}`);
  const rivals = rivalsFor(scenario.latency).filter(({ name }) => judges.includes(name));
  const outcomes = new Map<string, Outcome[]>(judges.map((judge) => [judge, []]));
  for (let run = from; run < to; run += 1) {
    const stream = (): Iterable<Batch> => scenario.batches(seededRandom(seed, index, run));
    for (const judge of judges) {
      const outcome = playedByUs({ judge, alpha }, scenario, stream);
      if (outcome) outcomes.get(judge)?.push(outcome);
    }
    if (rivals.length === 0) continue;
    const batches = [...stream()];
    const history = historyOf(batches, scenario.seconds, scenario.metrics);
    for (const rival of rivals) outcomes.get(rival.name)?.push(cutAt(batches, rival.rollbackAt(history)));
  }
  return Object.fromEntries(outcomes);
}

function playedByUs(
  { judge, alpha }: { readonly judge: string; readonly alpha: number },
  scenario: Scenario,
  stream: () => Iterable<Batch>,
): Outcome | undefined {
  if (judge === 'b1') return ranksAlone(stream(), alpha);
  const [method, latency] = judge.split('+');
  if (method === undefined || !/^a\d$/.test(method)) return undefined;
  const settings = resolveSettings({
    method: method as Method,
    alpha,
    horizonSeconds: scenario.seconds,
    metrics: scenario.metrics.map((name) => ({ name })),
    ...(latency === undefined ? {} : { latency: {} }),
  });
  return judged(settings, stream(), isAboutPassing(scenario));
}

function ranksAlone(stream: Iterable<Batch>, alpha: number): Outcome {
  let evidence = noPooledRank;
  let requests = 0;
  for (const { second, canary, latency } of stream) {
    requests += canary.requests;
    if (latency) evidence = observePooledRank(evidence, latency.canary, latency.stable);
    if (logPooledRank(evidence).logE >= -Math.log(alpha)) return { rollbackAt: second + 1, passAt: null, requests, errors: 0 };
  }
  return { rollbackAt: null, passAt: null, requests, errors: 0 };
}

function cutAt(batches: readonly Batch[], rollbackAt: number | null): Outcome {
  const served = batches.filter(({ second }) => rollbackAt === null || second < rollbackAt);
  const sum = (field: 'requests' | 'errors'): number => served.reduce((total, { canary }) => total + canary[field], 0);
  return { rollbackAt, passAt: null, requests: sum('requests'), errors: sum('errors') };
}
