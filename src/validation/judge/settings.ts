import { Fault, type FaultItem } from '../../platform/fault.ts';

/** How errors are judged: a1 mixture, a2 two-sided, a3 with restarts for late onset, a4 the quickest. */
export const methods = ['a1', 'a2', 'a3', 'a4'] as const;
export type Method = (typeof methods)[number];

/** One more error metric, or one segment of the traffic, judged beside the errors as a whole. */
export interface MetricSettings {
  readonly name: string;
  /** Share of the capital relative to the others; a critical metric gets more and is noticed sooner. */
  readonly weight: number;
  /** Whether the canary passes only when this one passes too. */
  readonly required: boolean;
}

export interface LatencySettings {
  readonly weight: number;
  /** When given, the canary passes only with this quantile shown to be within the margin. Needs like, independent samples. */
  readonly quantile?: number;
  /** How much slower than stable that quantile may be: 0.2 is 20 %. */
  readonly margin: number;
}

export interface JudgeSettings {
  readonly method: Method;
  /** Chance of rolling back a canary that is no worse than tolerated, over its whole life however often one looks. */
  readonly alpha: number;
  /** rho0: how many times stable's failures the canary may have. Real pods differ: with 20 % spread, 1.25 is right. */
  readonly toleratedRatio: number;
  /** rNI: a canary that fails this many times as often must not pass early. Absent: it never passes early. */
  readonly nonInferiorityRatio?: number;
  /** Chance of passing a canary at or beyond `nonInferiorityRatio`. */
  readonly beta: number;
  /** No pass before the stage has lasted this long. */
  readonly minimumSeconds: number;
  /** Batches of the first seconds are not counted: caches fill, connections open. */
  readonly warmUpSeconds: number;
  /** A stage without verdict by then is inconclusive. Absent: it goes on. */
  readonly deadlineSeconds?: number;
  /** Distance of the restarts of a3 and a4. */
  readonly restartEverySeconds: number;
  /** How long the canary will be watched in all, over every stage, to spread the restarts over. Absent: the deadline; without one, endless. */
  readonly horizonSeconds?: number;
  /** No pass when the canary or the control served nothing for this long. */
  readonly silenceSeconds: number;
  /** Users in a row that fail on a canary without control traffic before it is taken back. */
  readonly hardStopFailures: number;
  /** Chance of calling a right share mismatched, in each stage. */
  readonly shareAlpha: number;
  /** Factor on the odds within which the served share may differ; sticky routers need `shareToleranceFor`. */
  readonly shareTolerance: number;
  /** The arm the canary is compared with: stable, or a fresh instance of the stable version. */
  readonly control: 'stable' | 'baseline';
  /** Weight of the errors as a whole among the metrics. */
  readonly errorsWeight: number;
  /** Absent: latency is not judged. */
  readonly latency?: LatencySettings;
  readonly metrics: readonly MetricSettings[];
  readonly segments: readonly MetricSettings[];
}

/** Everything optional; `nonInferiorityRatio: null` switches passing early off. */
export type JudgeOptions = Partial<Omit<JudgeSettings, 'nonInferiorityRatio' | 'latency' | 'metrics' | 'segments'>> & {
  readonly nonInferiorityRatio?: number | null;
  readonly latency?: Partial<LatencySettings>;
  readonly metrics?: readonly (Partial<MetricSettings> & { readonly name: string })[];
  readonly segments?: readonly (Partial<MetricSettings> & { readonly name: string })[];
};

const defaults = {
  method: 'a1',
  alpha: 0.01,
  toleratedRatio: 1,
  beta: 0.05,
  minimumSeconds: 0,
  warmUpSeconds: 0,
  restartEverySeconds: 60,
  silenceSeconds: 60,
  hardStopFailures: 10,
  shareAlpha: 0.001,
  shareTolerance: 1.5,
  control: 'stable',
  errorsWeight: 1,
  metrics: [],
  segments: [],
} as const;

const defaultNonInferiorityRatio = 2;

type Bound = readonly [field: string, expected: string, holds: (value: number) => boolean];

const bounds: readonly Bound[] = [
  ['alpha', 'a number between 0 and 1', (v) => v > 0 && v < 1],
  ['beta', 'a number between 0 and 1', (v) => v > 0 && v < 1],
  ['shareAlpha', 'a number between 0 and 1', (v) => v > 0 && v < 1],
  ['toleratedRatio', 'a finite number of at least 1', (v) => v >= 1 && v < Infinity],
  ['nonInferiorityRatio', 'a finite number above 1', (v) => v > 1 && v < Infinity],
  ['shareTolerance', 'a finite number of at least 1', (v) => v >= 1 && v < Infinity],
  ['minimumSeconds', 'seconds from 0', (v) => v >= 0 && v < Infinity],
  ['warmUpSeconds', 'seconds from 0', (v) => v >= 0 && v < Infinity],
  ['deadlineSeconds', 'seconds above 0', (v) => v > 0 && v < Infinity],
  ['horizonSeconds', 'seconds above 0', (v) => v > 0 && v < Infinity],
  ['restartEverySeconds', 'at least one second', (v) => v >= 1 && v < Infinity],
  ['silenceSeconds', 'at least one second', (v) => v >= 1],
  ['hardStopFailures', 'a whole number from 1', (v) => Number.isSafeInteger(v) && v >= 1],
  ['errorsWeight', 'a finite number above 0', (v) => v > 0 && v < Infinity],
];

function faultsOfNumbers(settings: Readonly<Record<string, unknown>>): FaultItem[] {
  return bounds.flatMap(([field, expected, holds]) => {
    const value = settings[field];
    if (value === undefined || (typeof value === 'number' && holds(value))) return [];
    return [{ pointer: `/${field}`, detail: `expected ${expected}, got ${JSON.stringify(value) ?? typeof value}` }];
  });
}

/** Names of what is always judged; a metric of the same name would be lost behind it. */
const reserved = ['errors', 'latency', 'hard-stop'];

function faultsOfNamed(list: readonly MetricSettings[], pointer: string): FaultItem[] {
  return list.flatMap((item, i) => {
    const faults: FaultItem[] = [];
    if (!(item.weight > 0 && item.weight < Infinity)) {
      faults.push({ pointer: `${pointer}/${i}/weight`, detail: `expected a finite number above 0, got ${item.weight}` });
    }
    if (item.name === '' || reserved.includes(item.name) || item.name.startsWith('segment ')) {
      faults.push({
        pointer: `${pointer}/${i}/name`,
        detail: `expected a name other than ${reserved.join(', ')} or segment …, got "${item.name}"`,
      });
    }
    if (list.findIndex((other) => other.name === item.name) < i) {
      faults.push({ pointer: `${pointer}/${i}/name`, detail: `expected each name once, got ${item.name} again` });
    }
    return faults;
  });
}

function faultsOfLatency(latency: LatencySettings | undefined): FaultItem[] {
  if (latency === undefined) return [];
  const { weight, quantile = 0.5, margin } = latency;
  const faults: FaultItem[] = [];
  if (!(weight > 0 && weight < Infinity))
    faults.push({ pointer: '/latency/weight', detail: `expected a finite number above 0, got ${weight}` });
  if (!(quantile > 0 && quantile < 1)) faults.push({ pointer: '/latency/quantile', detail: `expected between 0 and 1, got ${quantile}` });
  if (!(margin > 0 && margin < Infinity))
    faults.push({ pointer: '/latency/margin', detail: `expected a finite number above 0, got ${margin}` });
  return faults;
}

function faultsOf(settings: JudgeSettings): readonly FaultItem[] {
  const faults = faultsOfNumbers({ ...settings });
  const { method, control, toleratedRatio, nonInferiorityRatio: limit, minimumSeconds, deadlineSeconds } = settings;
  if (!methods.includes(method))
    faults.push({ pointer: '/method', detail: `expected one of ${methods.join(', ')}, got ${JSON.stringify(method)}` });
  if (control !== 'stable' && control !== 'baseline') {
    faults.push({ pointer: '/control', detail: `expected stable or baseline, got ${JSON.stringify(control)}` });
  }
  if (limit !== undefined && toleratedRatio >= limit) {
    faults.push({ pointer: '/toleratedRatio', detail: `expected less than the non-inferiority ratio ${limit}, got ${toleratedRatio}` });
  }
  if (deadlineSeconds !== undefined && minimumSeconds > deadlineSeconds) {
    faults.push({ pointer: '/minimumSeconds', detail: `expected at most the deadline of ${deadlineSeconds} s, got ${minimumSeconds}` });
  }
  return [
    ...faults,
    ...faultsOfLatency(settings.latency),
    ...faultsOfNamed(settings.metrics, '/metrics'),
    ...faultsOfNamed(settings.segments, '/segments'),
  ];
}

/** Drops what is undefined, so that an absent option never covers a default. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null)) as T;
}

/** Fills the defaults and checks the whole; throws `judge.settings` with every fault at once. */
export function resolveSettings(options: JudgeOptions = {}): JudgeSettings {
  const { nonInferiorityRatio = defaultNonInferiorityRatio, latency, metrics = [], segments = [], ...rest } = options;
  const settings: JudgeSettings = {
    ...defaults,
    ...given(rest),
    ...(nonInferiorityRatio === null ? {} : { nonInferiorityRatio }),
    ...(latency === undefined ? {} : { latency: { weight: 1, margin: 0.2, ...given(latency) } }),
    metrics: metrics.map(({ name, weight = 1, required = true }) => ({ name, weight, required })),
    segments: segments.map(({ name, weight = 1, required = false }) => ({ name, weight, required })),
  };
  const faults = faultsOf(settings);
  if (faults.length === 0) return settings;
  throw new Fault({
    code: 'judge.settings',
    status: 422,
    message: `Judge settings: ${faults.map((f) => `${f.pointer}: ${f.detail}`).join('; ')}`,
    remedy: 'Correct every value named; the guarantee holds for no other.',
    faults,
  });
}
