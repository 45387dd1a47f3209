import type { ArmBatch, Batch, Comparison } from '../batch.ts';
import { normalQuantile } from '../foreign/normal-quantile.ts';
import { countUsers, openUserCount, type UserRequest } from '../user-count.ts';
import { PoissonLaw, type Random } from './random.ts';

/** What happens to a simulated canary: a stream of batches, and what a good judge does with it. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  /** `harmless`: any rollback is false. `harm`: the canary is bad from `onset`. `limit`: at the non-inferiority limit, any pass is false. */
  readonly truth: 'harmless' | 'harm' | 'limit';
  readonly onset: number;
  /** Failures per request of a healthy version, in the unit that is counted. */
  readonly base: number;
  /** Names of further metrics beside the errors. */
  readonly metrics: readonly string[];
  readonly latency: boolean;
  readonly batches: (random: Random) => Iterable<Batch>;
}

const RPS = 200;
const SHARE = 0.05;
const BASE = 0.005;
const HOUR = 3600;
const LATENCY_EVERY_SECONDS = 5;
const VISIT_REQUESTS = 5;
/** Twenty minutes in. */
const LATER = 1200;

interface Traffic {
  readonly rps: number;
  readonly share: number;
  readonly seconds: number;
  readonly canaryRate: (second: number) => number;
  readonly stableRate: (second: number) => number;
}

const calm: Traffic = { rps: RPS, share: SHARE, seconds: HOUR, canaryRate: () => BASE, stableRate: () => BASE };

/** Failures and successes of a Poisson stream are two independent Poisson streams: the same law as requests that each may fail. */
class Arm {
  readonly #mean: number;
  readonly #laws = new Map<number, { readonly bad: PoissonLaw; readonly good: PoissonLaw }>();

  constructor(mean: number) {
    this.#mean = mean;
  }

  second(rate: number, random: Random): ArmBatch {
    const laws = this.#laws.get(rate) ?? { bad: new PoissonLaw(this.#mean * rate), good: new PoissonLaw(this.#mean * (1 - rate)) };
    this.#laws.set(rate, laws);
    const errors = laws.bad.draw(random);
    return { requests: errors + laws.good.draw(random), errors };
  }
}

function counts(traffic: Traffic): Scenario['batches'] {
  const canary = new Arm(traffic.rps * traffic.share);
  const stable = new Arm(traffic.rps * (1 - traffic.share));
  return function* (random) {
    for (let second = 0; second < traffic.seconds; second += 1) {
      yield {
        second,
        canary: canary.second(traffic.canaryRate(second), random),
        stable: stable.second(traffic.stableRate(second), random),
      };
    }
  };
}

/**
 * Clients that retry: a visit of five requests within five seconds fails as a whole or not at all. The unit is the user, of
 * what was served as well as of what failed: a user counts in the second of its first request.
 *
 * Both halves matter. Requests as the unit of failure break every guarantee. Failed users over served requests break it too,
 * less visibly: five requests of one visit make the share of a second wander more than the share of the users in it, and a
 * failure in a second that the canary served little of looks like evidence (A4 at alpha 0.0065: 1.28 % of 2,500 runs).
 */
function bursts(): Scenario['batches'] {
  const visits = { canary: new PoissonLaw((RPS * SHARE) / VISIT_REQUESTS), stable: new PoissonLaw((RPS * (1 - SHARE)) / VISIT_REQUESTS) };
  return function* (random) {
    const arms = { canary: new Visitors(visits.canary), stable: new Visitors(visits.stable) };
    for (let second = 0; second < HOUR; second += 1) {
      yield { second, canary: arms.canary.second(second, random), stable: arms.stable.second(second, random) };
    }
  };
}

interface Visit extends UserRequest {
  begun: boolean;
}

class Visitors {
  readonly #arrivals: PoissonLaw;
  readonly #ahead: Visit[][] = [];
  #count = openUserCount();
  #visits = 0;

  constructor(arrivals: PoissonLaw) {
    this.#arrivals = arrivals;
  }

  second(second: number, random: Random): ArmBatch {
    const arrivals = this.#arrivals.draw(random);
    for (let visit = 0; visit < arrivals; visit += 1) {
      this.#visits += 1;
      const request = { user: String(this.#visits), failed: random() < BASE, begun: false };
      for (let n = 0; n < VISIT_REQUESTS; n += 1) (this.#ahead[Math.floor(random() * VISIT_REQUESTS)] ??= []).push(request);
    }
    const { count, arm } = countUsers(this.#count, second, (this.#ahead.shift() ?? []).filter(isFirst));
    this.#count = count;
    return arm;
  }
}

function isFirst(visit: Visit): boolean {
  const first = !visit.begun;
  visit.begun = true;
  return first;
}

const TWENTY = Array.from({ length: 19 }, (_, index) => `metric-${index + 2}`);

/** Twenty metrics of the same requests, each with errors of its own; the last one is `ratio` times as bad on the canary. */
function manyMetrics(ratio: number): Scenario['batches'] {
  const canary = new Arm(RPS * SHARE);
  const stable = new Arm(RPS * (1 - SHARE));
  const pair = (factor: number, random: Random): Comparison => ({
    canary: canary.second(BASE * factor, random),
    stable: stable.second(BASE, random),
  });
  return function* (random) {
    for (let second = 0; second < HOUR; second += 1) {
      const metrics = Object.fromEntries(TWENTY.map((name, index) => [name, pair(index === TWENTY.length - 1 ? ratio : 1, random)]));
      yield { second, ...pair(1, random), metrics };
    }
  };
}

const QUANTILES = 65_536;
/** Log-normal with a median of 100 ms and sigma 0.5: a 95th percentile of 228 ms. */
const latencies = Float64Array.from({ length: QUANTILES }, (_, index) => 100 * Math.exp(0.5 * normalQuantile((index + 0.5) / QUANTILES)));

export function latencyQuantile(p: number): number {
  return latencies[Math.floor(p * QUANTILES)] ?? Number.NaN;
}

interface Slowness {
  /** Factor on every request of the canary. */
  readonly factor: number;
  /** Share of its requests that take `tailFactor` times as long. */
  readonly tailShare: number;
  readonly tailFactor: number;
}

function latencyBatches(slow: Slowness): Scenario['batches'] {
  const requests = {
    canary: new PoissonLaw(RPS * SHARE * LATENCY_EVERY_SECONDS),
    stable: new PoissonLaw((RPS * (1 - SHARE) * LATENCY_EVERY_SECONDS) / 2),
  };
  const sample = (random: Random): number => latencies[Math.floor(random() * QUANTILES)] ?? 0;
  const slowed = (random: Random): number =>
    sample(random) * slow.factor * (slow.tailShare > 0 && random() < slow.tailShare ? slow.tailFactor : 1);
  return function* (random) {
    for (let second = LATENCY_EVERY_SECONDS - 1; second < HOUR; second += LATENCY_EVERY_SECONDS) {
      const canary = Array.from({ length: requests.canary.draw(random) }, () => slowed(random));
      // Two halves, because a mean of 950 is beyond the Poisson table.
      const stable = Array.from({ length: requests.stable.draw(random) + requests.stable.draw(random) }, () => sample(random));
      yield {
        second,
        canary: { requests: canary.length, errors: 0 },
        stable: { requests: stable.length, errors: 0 },
        latency: { canary, stable },
      };
    }
  };
}

type Partly = Pick<Scenario, 'name' | 'title' | 'truth'> & Partial<Scenario>;

function scenario(partly: Partly & Pick<Scenario, 'batches'>): Scenario {
  return { seconds: HOUR, onset: 0, base: BASE, metrics: [], latency: false, ...partly };
}

function worse(name: string, title: string, change: Partial<Traffic>, onset = 0): Scenario {
  return scenario({ name, title, truth: 'harm', onset, batches: counts({ ...calm, ...change }) });
}

function slower(name: string, title: string, slow: Slowness): Scenario {
  const truth = slow.factor === 1 && slow.tailShare === 0 ? 'harmless' : 'harm';
  return scenario({ name, title, truth, latency: true, batches: latencyBatches(slow) });
}

function share(name: string, value: number, ratio: number): Scenario {
  const title = ratio === 1 ? `a good canary at ${value * 100} %` : `a canary at exactly ${ratio} times the errors, ${value * 100} %`;
  const batches = counts({ ...calm, share: value, canaryRate: () => BASE * ratio });
  return scenario({ name, title, truth: ratio === 1 ? 'harmless' : 'limit', batches });
}

const during = (from: number, to: number, rate: number) => (second: number) => (second >= from && second < to ? rate : BASE);
const incident = { canaryRate: during(LATER, LATER + 600, 0.03), stableRate: during(LATER, LATER + 600, 0.03) };

/** The table of goals: 200 requests/s, 5 % canary, 0.5 % errors, one hour, unless the title says otherwise. */
export const scenarios: readonly Scenario[] = [
  scenario({ name: 'aa', title: 'two like versions', truth: 'harmless', batches: counts(calm) }),
  scenario({ name: 'incident', title: 'both at 3 % errors for ten minutes', truth: 'harmless', batches: counts({ ...calm, ...incident }) }),
  scenario({ name: 'lowtraffic', title: 'two like versions, 10 requests/s', truth: 'harmless', batches: counts({ ...calm, rps: 10 }) }),
  scenario({
    name: 'bursts',
    title: 'users whose five requests fail together',
    truth: 'harmless',
    base: BASE / VISIT_REQUESTS,
    batches: bursts(),
  }),
  scenario({ name: '20metrics', title: 'twenty metrics, none bad', truth: 'harmless', metrics: TWENTY, batches: manyMetrics(1) }),
  slower('latency', 'two versions as fast', { factor: 1, tailShare: 0, tailFactor: 1 }),
  worse('4x', '4 times the errors', { canaryRate: () => 4 * BASE }),
  worse('2x', '2 times the errors', { canaryRate: () => 2 * BASE }),
  worse('outage', 'every request to the canary fails', { canaryRate: () => 1 }),
  worse('late', '4 times the errors from minute 20', { canaryRate: during(LATER, HOUR, 4 * BASE) }, LATER),
  worse('lowtraffic-20pct', '20 % errors at 10 requests/s', { rps: 10, canaryRate: () => 0.2 }),
  scenario({ name: '1of20', title: 'one bad metric of twenty, at 4 times', truth: 'harm', metrics: TWENTY, batches: manyMetrics(4) }),
  slower('lat20', 'latency +20 %', { factor: 1.2, tailShare: 0, tailFactor: 1 }),
  slower('lat10', 'latency +10 %', { factor: 1.1, tailShare: 0, tailFactor: 1 }),
  slower('tail', '3 % of the requests 5 times slower', { factor: 1, tailShare: 0.03, tailFactor: 5 }),
  share('pass-5', 0.05, 1),
  share('pass-25', 0.25, 1),
  share('pass-50', 0.5, 1),
  share('limit-5', 0.05, 2),
  share('limit-25', 0.25, 2),
  share('limit-50', 0.5, 2),
];
