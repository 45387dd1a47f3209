import type { JudgeSettings, Verdict } from '../judge.ts';
import { chartSvg, escaped, type Chart, type Point } from './report-chart.ts';
import type { CountBucket, LatencyBucket } from './report-trace.ts';

export interface RunReport {
  readonly run: number | null;
  readonly verdict: Verdict;
  readonly buckets: readonly CountBucket[];
}

export interface LatencyReport {
  readonly buckets: readonly LatencyBucket[];
  readonly rolledBackAt: number | null;
}

export interface Report {
  readonly source: string;
  readonly settings: JudgeSettings;
  readonly runs: readonly RunReport[];
  readonly latency: LatencyReport | null;
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2330;--dim:#5d6878;--paper:#fff;--rule:#e3e7ee;--canary:#c2410c;--stable:#2563a8;--harm:#b91c1c;--pass:#15803d}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf1;--dim:#98a3b5;--paper:#12161d;--rule:#2a313d;--canary:#fb923c;--stable:#7cb3ee;--harm:#f87171;--pass:#4ade80}}
body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:2rem 0 .25rem}p{margin:.25rem 0}.dim{color:var(--dim)}
.verdict{border-left:.35rem solid var(--dim);padding:.5rem 1rem;margin:1rem 0;font-size:1.1rem}.verdict.rollback{border-color:var(--harm)}.verdict.pass{border-color:var(--pass)}
table{border-collapse:collapse;margin:.75rem 0;font-variant-numeric:tabular-nums}th,td{padding:.25rem 1.25rem .25rem 0;text-align:right;border-bottom:1px solid var(--rule)}th:first-child,td:first-child{text-align:left}thead th{color:var(--dim);font-weight:500}
svg{width:100%;height:auto;display:block;overflow:visible}.grid{stroke:var(--rule)}.tick{fill:var(--dim);font-size:12px}.note{font-size:12px;paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:5 4}.band{opacity:.18}.bar{stroke-dasharray:2 4;stroke-width:1.5}.mark{stroke-width:1.5}
line.canary,path.line.canary{stroke:var(--canary)}line.stable,path.line.stable{stroke:var(--stable)}line.harm,path.line.harm{stroke:var(--harm)}line.pass,path.line.pass{stroke:var(--pass)}line.dim{stroke:var(--dim)}
path.band.canary{fill:var(--canary)}text.harm{fill:var(--harm)}text.pass{fill:var(--pass)}text.dim{fill:var(--dim)}
.key{display:inline-flex;gap:1.25rem;margin:.1rem 0 .3rem;color:var(--dim);font-size:.85rem}.key i{display:inline-block;width:1.4rem;border-top:2px solid;margin-right:.4rem;vertical-align:.25em}
.key .canary{border-color:var(--canary)}.key .stable{border-color:var(--stable)}.key .harm{border-color:var(--harm)}.key .pass{border-color:var(--pass)}.key i.dashed{border-top-style:dashed}
section+section{margin-top:3rem;border-top:1px solid var(--rule);padding-top:1rem}`;

/** One page that needs nothing else: no script, no font, no request. */
export function reportPage(report: Report): string {
  const sections = report.runs.map((run) => runSection(run, report.settings));
  const latency = report.latency ? [latencySection(report.latency, report.settings)] : [];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Canary report: ${escaped(report.source)}</title><style>${STYLE}</style></head>
<body><h1>Canary report</h1><p class="dim">${escaped(report.source)} · ${escaped(rulesOf(report.settings))}</p>
<main>${[...sections, ...latency].join('\n')}</main></body></html>
`;
}

function rulesOf(settings: JudgeSettings): string {
  const { method, alpha, beta, toleratedRatio, nonInferiorityRatio } = settings;
  const pass = nonInferiorityRatio === undefined ? 'never passes early' : `passes early below ${nonInferiorityRatio} times (beta ${beta})`;
  return `method ${method}, false rollback at most ${percent(alpha)}, tolerates ${toleratedRatio} times the errors, ${pass}`;
}

function runSection({ run, verdict, buckets }: RunReport, settings: JudgeSettings): string {
  const title = run === null ? '' : `<h2>Run ${run}</h2>`;
  const marks = [
    ...mark(verdict.rollbackAtSecond, `rolled back at second ${verdict.rollbackAtSecond}`, 'harm'),
    ...mark(verdict.kind === 'pass' ? verdict.passAtSecond : null, `passed at second ${verdict.passAtSecond}`, 'pass'),
  ];
  const charts = [evidenceChart(buckets, settings), ratioChart(buckets, settings), rateChart(buckets)].map((chart) =>
    figure({ ...chart, marks }),
  );
  return `<section>${title}<p class="verdict ${verdict.kind}"><strong>${LABELS[verdict.kind]}.</strong> ${escaped(verdict.sentence)}</p>${countsTable(verdict)}${charts.join('')}</section>`;
}

const LABELS: Readonly<Record<Verdict['kind'], string>> = {
  rollback: 'Roll back',
  pass: 'Pass',
  continue: 'Keep watching',
  inconclusive: 'Inconclusive',
};

function mark(at: number | null, label: string, tone: string): Chart['marks'] {
  return at === null ? [] : [{ at, label, tone }];
}

function countsTable({ requests, errors }: Verdict): string {
  const row = (arm: 'canary' | 'stable'): string => {
    const share = requests[arm] === 0 ? '–' : percent(errors[arm] / requests[arm]);
    return `<tr><td>${arm}</td><td>${requests[arm].toLocaleString('en')}</td><td>${errors[arm].toLocaleString('en')}</td><td>${share}</td></tr>`;
  };
  return `<table><thead><tr><th>arm</th><th>requests</th><th>errors</th><th>share</th></tr></thead><tbody>${row('canary')}${row('stable')}</tbody></table>`;
}

function figure(chart: Chart): string {
  const keys = chart.series.map(
    ({ label, tone, dashed }) => `<span><i class="${tone}${dashed ? ' dashed' : ''}"></i>${escaped(label)}</span>`,
  );
  return `<h2>${escaped(chart.title)}</h2><p class="dim">${escaped(chart.description)}</p><div class="key">${keys.join('')}</div>${chartSvg(chart)}`;
}

/** E beyond what a double holds is drawn at its edge. */
const power = (logE: number): number => Math.exp(Math.min(Math.max(logE, -700), 700));

function evidenceChart(buckets: readonly CountBucket[], settings: JudgeSettings): Omit<Chart, 'marks'> {
  const { alpha, beta, nonInferiorityRatio } = settings;
  const passes = nonInferiorityRatio !== undefined;
  const pass = {
    label: 'that it is good enough',
    tone: 'pass',
    points: points(buckets, ({ logEPass }) => (logEPass === null ? null : power(logEPass))),
  };
  return {
    title: 'Evidence',
    description:
      'How many times better the data fit a bad canary than a good one, and the other way round. A line that touches its bar decides.',
    xLabel: 'second',
    scale: 'log',
    format: compact,
    series: [
      { label: 'that the canary is worse', tone: 'harm', points: points(buckets, ({ logEPeak }) => power(logEPeak)) },
      ...(passes ? [pass] : []),
    ],
    bars: [
      { at: 1 / alpha, label: `roll back at ${compact(1 / alpha)}`, tone: 'harm' },
      ...(passes ? [{ at: 1 / beta, label: `pass at ${compact(1 / beta)}`, tone: 'pass' }] : []),
    ],
  };
}

function ratioChart(buckets: readonly CountBucket[], settings: JudgeSettings): Omit<Chart, 'marks'> {
  const { toleratedRatio, nonInferiorityRatio, alpha } = settings;
  const limit =
    nonInferiorityRatio === undefined ? [] : [{ at: nonInferiorityRatio, label: `must not pass: ${nonInferiorityRatio}`, tone: 'dim' }];
  return {
    title: 'How many times as often the canary fails',
    description: `The band holds the true ratio at all times at once, at ${percent(1 - alpha)}; where it reaches the top nothing bounds it yet.`,
    xLabel: 'second',
    scale: 'log',
    format: compact,
    series: [{ label: 'most likely', tone: 'canary', points: points(buckets, ({ ratio }) => ratio.estimate) }],
    band: { tone: 'canary', label: 'bounds', points: buckets.map(({ to, ratio }) => ({ x: to, low: ratio.low, high: ratio.high })) },
    bars: [{ at: toleratedRatio, label: `tolerated: ${toleratedRatio}`, tone: 'dim' }, ...limit],
  };
}

function rateChart(buckets: readonly CountBucket[]): Omit<Chart, 'marks'> {
  const rate = (arm: 'canary' | 'stable') => (bucket: CountBucket) =>
    bucket[arm].requests === 0 ? null : bucket[arm].errors / bucket[arm].requests;
  const wide = widened(buckets);
  const [first] = wide;
  const seconds = first ? first.to - first.from + 1 : 1;
  return {
    title: 'Errors of both arms',
    description: `Share of the requests that failed, in steps of ${seconds} s.`,
    xLabel: 'second',
    scale: 'linear',
    format: percent,
    series: [
      { label: 'stable', tone: 'stable', points: points(wide, rate('stable')) },
      { label: 'canary', tone: 'canary', points: points(wide, rate('canary')) },
    ],
    bars: [],
  };
}

/** Sixty steps: the share of one second's ten requests is noise to look at. */
function widened(buckets: readonly CountBucket[]): readonly CountBucket[] {
  const size = Math.max(1, Math.ceil(buckets.length / 60));
  return Array.from({ length: Math.ceil(buckets.length / size) }, (_, index) => {
    const group = buckets.slice(index * size, (index + 1) * size);
    return group.reduce((left, right) => ({
      ...right,
      from: left.from,
      canary: { requests: left.canary.requests + right.canary.requests, errors: left.canary.errors + right.canary.errors },
      stable: { requests: left.stable.requests + right.stable.requests, errors: left.stable.errors + right.stable.errors },
    }));
  });
}

function latencySection({ buckets, rolledBackAt }: LatencyReport, settings: JudgeSettings): string {
  const marks = mark(rolledBackAt, `rolled back at batch ${rolledBackAt}`, 'harm');
  const line = (arm: 'canary' | 'stable', p: number, label: string): Chart['series'][number] => ({
    label: `${arm} ${label}`,
    tone: arm,
    dashed: p < 0.9,
    points: points(buckets, (bucket) => bucket[arm].quantile(p)),
  });
  const latency: Chart = {
    title: 'Latency of both arms',
    description: 'Median (dashed) and 95th percentile of the batches.',
    xLabel: 'batch',
    scale: 'log',
    format: (value) => `${compact(value)} ms`,
    series: [line('stable', 0.95, 'p95'), line('canary', 0.95, 'p95'), line('stable', 0.5, 'median'), line('canary', 0.5, 'median')],
    bars: [],
    marks,
  };
  const evidence: Chart = {
    title: 'Evidence that the canary is slower',
    description: 'From ranks within each batch: a slow hour slows both arms and says nothing.',
    xLabel: 'batch',
    scale: 'log',
    format: compact,
    series: [{ label: 'that the canary is slower', tone: 'harm', points: points(buckets, ({ logEPeak }) => power(logEPeak)) }],
    bars: [{ at: 1 / settings.alpha, label: `roll back at ${compact(1 / settings.alpha)}`, tone: 'harm' }],
    marks,
  };
  return `<section>${figure(latency)}${figure(evidence)}</section>`;
}

function points<T extends { readonly to: number }>(buckets: readonly T[], value: (bucket: T) => number | null): readonly Point[] {
  return buckets.map((bucket) => ({ x: bucket.to, y: value(bucket) }));
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function compact(value: number): string {
  if (value !== 0 && (value < 1e-3 || value >= 1e5)) return `1e${Math.round(Math.log10(value))}`;
  return String(Number(value.toPrecision(3)));
}
