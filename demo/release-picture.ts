import pc from 'picocolors';

/** What the picture is painted from, as the API gives it. */
export interface PaintedRelease {
  readonly id: string;
  readonly state: string;
  readonly standing: { readonly sentence: string };
  readonly deployments: readonly {
    readonly environment: string;
    readonly state: string;
    readonly weight: number;
    readonly startedAt: string;
    readonly finishedAt?: string | undefined;
    readonly since: string;
    readonly millisecondsToZeroShare?: number | undefined;
  }[];
}

export interface PaintedStage {
  readonly stage: string;
  readonly environment: string;
  readonly standing: string;
  readonly gates: readonly {
    readonly gate: string;
    readonly decision: { readonly effect: 'allow' | 'deny' | 'undetermined'; readonly reasons: readonly { readonly sentence: string }[] };
  }[];
}

export interface PaintedVerdict {
  readonly kind: string;
  readonly logE: number | null;
  readonly logEPass: number | null;
  readonly sentence: string;
  readonly requests: { readonly canary: number; readonly stable: number };
  readonly errors: { readonly canary: number; readonly stable: number };
}

export interface Bounds {
  /** ln(1/alpha) */
  readonly harm: number;
  /** ln(1/beta) */
  readonly pass: number;
}

const signs = { allow: pc.green('✔'), deny: pc.red('✘'), undetermined: pc.yellow('…') } as const;
const ended = new Set(['succeeded', 'rolled-back', 'failed']);

/** The release as a tree: stages, gates, who is awaited, share, the judge's evidence, timings. */
export function paintRelease(
  release: PaintedRelease,
  stages: readonly PaintedStage[],
  judged: { readonly verdict: PaintedVerdict; readonly bounds: Bounds } | undefined,
  now: Date,
): readonly string[] {
  const lines = [`${pc.bold(release.id)} ${paintState(release.state)} ${pc.dim(release.standing.sentence)}`];
  for (const [i, stage] of stages.entries()) {
    const last = i === stages.length - 1;
    const deployment = release.deployments.findLast((d) => d.environment === stage.environment);
    lines.push(`${last ? '└─' : '├─'} ${stage.stage.padEnd(11)}${deployment ? paintDeployment(deployment, now) : pc.dim(stage.standing)}`);
    const indent = last ? '   ' : '│  ';
    const gates =
      stage.standing === 'passed' || deployment ? [] : stage.gates.filter((g) => g.gate === 'approval' || g.decision.effect !== 'allow');
    for (const g of gates) lines.push(`${indent}├─ ${signs[g.decision.effect]} ${g.gate}: ${g.decision.reasons[0]?.sentence ?? ''}`);
    if (last && judged && deployment && !ended.has(deployment.state))
      lines.push(...paintJudge(judged.verdict, judged.bounds).map((l) => `${indent}├─ ${l}`));
  }
  return lines;
}

/** Two of these that are equal show the same story: what a log without a terminal repeats only on change. */
export function pictureKey(release: PaintedRelease, stages: readonly PaintedStage[]): string {
  return JSON.stringify([
    release.state,
    release.deployments.map((d) => [d.environment, d.state, d.weight]),
    stages.map((s) => s.gates.map((g) => [g.gate, g.decision.effect, g.decision.reasons[0]?.sentence])),
  ]);
}

function paintState(state: string): string {
  if (state === 'completed') return pc.green(state);
  return state === 'rolled-back' || state === 'failed' ? pc.red(state) : pc.yellow(state);
}

function paintDeployment(d: PaintedRelease['deployments'][number], now: Date): string {
  const end = d.finishedAt ? new Date(d.finishedAt) : now;
  const took = pc.dim(`${((end.getTime() - new Date(d.startedAt).getTime()) / 1000).toFixed(1)} s`);
  const sign = d.state === 'succeeded' ? signs.allow : ended.has(d.state) ? signs.deny : signs.undetermined;
  const zero = d.millisecondsToZeroShare === undefined ? '' : pc.dim(`, no traffic ${d.millisecondsToZeroShare} ms after the verdict`);
  return `${sign} ${d.state} ${bar(d.weight / 100, 20)} ${String(d.weight).padStart(3)} % ${took}${zero}`;
}

function paintJudge(verdict: PaintedVerdict, bounds: Bounds): readonly string[] {
  const { requests, errors } = verdict;
  return [
    `harm ${bar((verdict.logE ?? bounds.harm) / bounds.harm, 20)} pass ${bar((verdict.logEPass ?? 0) / bounds.pass, 20)}`,
    `${errors.canary} of ${requests.canary} against ${errors.stable} of ${requests.stable}; ${verdict.sentence}`,
  ];
}

function bar(share: number, width: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * width);
  return `${'█'.repeat(full)}${pc.dim('░'.repeat(width - full))}`;
}
