import { type Evidence, type Finding, finding, type UserRequest } from '../evidence.ts';

type Facts = Pick<Evidence, 'requests' | 'kills' | 'samples'>;

interface Window {
  readonly from: number;
  readonly to: number;
}

/** From the kill of a router until it serves again: the one time in which users may get no answer. */
function routerRestarts(kills: Facts['kills']): readonly Window[] {
  return kills.filter(({ victim }) => victim === 'router').map(({ at, backAt }) => ({ from: at, to: backAt ?? Infinity }));
}

export interface RequestCounts {
  readonly sent: number;
  readonly failedByUs: number;
  readonly failedInRouterRestarts: number;
}

/** Failed by us: no answer, or one that the router gave itself. An application's own 500 is the application's. */
export function countRequests({ requests, kills }: Pick<Facts, 'requests' | 'kills'>): RequestCounts {
  const windows = routerRestarts(kills);
  const failed = requests.filter(({ outcome }) => outcome !== 'version');
  const inside = failed.filter((request) => windows.some((window) => overlaps(request, window))).length;
  return { sent: requests.length, failedByUs: failed.length - inside, failedInRouterRestarts: inside };
}

export function noneFailedByUs({ requests, kills }: Facts): Finding {
  const windows = routerRestarts(kills);
  const outside = requests
    .filter(({ outcome }) => outcome !== 'version')
    .filter((request) => !windows.some((window) => overlaps(request, window)));
  const causes: Record<string, number> = {};
  for (const { outcome, detail } of outside)
    causes[`${outcome} ${detail ?? ''}`.trim()] = (causes[`${outcome} ${detail ?? ''}`.trim()] ?? 0) + 1;
  return finding(
    'requests failed by us outside router restarts = 0',
    outside
      .slice(0, 20)
      .map(({ lane, from, to, outcome, detail = '' }) => `${iso(from)} ${lane}: ${outcome} ${detail} after ${Math.round(to - from)} ms`),
    { ...countRequests({ requests, kills }), routerRestarts: windows.length, ...(outside.length > 0 ? { causes } : {}) },
  );
}

/**
 * A lane that has begun to serve always has all of its users on versions that run, and between two answered requests no
 * request stays unanswered: such a gap may only touch a router restart.
 */
export function alwaysServed({ requests, kills, samples }: Facts): Finding {
  const windows = routerRestarts(kills);
  const gaps = [...Map.groupBy(requests, ({ lane }) => lane)].flatMap(([lane, ofLane]) => gapsOf(lane, ofLane));
  const inside = gaps.filter((gap) => windows.some((window) => overlaps(gap, window)));
  const violations = [
    ...gaps
      .filter((gap) => !inside.includes(gap))
      .map(
        (gap) =>
          `${gap.lane}: no version answered from ${iso(gap.from)} for ${Math.round(gap.to - gap.from)} ms (${gap.requests} requests)`,
      ),
    ...routeFaults(samples),
  ];
  const longest = Math.max(0, ...inside.map((gap) => gap.to - gap.from));
  return finding('at no instant were both versions without traffic', violations.slice(0, 20), {
    routesSeen: samples.filter(({ routes }) => routes !== undefined).length,
    requests: requests.length,
    gapsInRouterRestarts: inside.length,
    longestGapMs: Math.round(longest),
  });
}

interface Gap extends Window {
  readonly lane: string;
  readonly requests: number;
}

/** From the last answered request before to the first after. */
function gapsOf(lane: string, requests: readonly UserRequest[]): readonly Gap[] {
  const inOrder = requests.toSorted((a, b) => a.from - b.from);
  const gaps: Gap[] = [];
  for (let at = 0; at < inOrder.length; at++) {
    if (inOrder[at]?.outcome === 'version') continue;
    const first = at;
    while (at + 1 < inOrder.length && inOrder[at + 1]?.outcome !== 'version') at++;
    const from = inOrder[first]?.from ?? 0;
    // A request that a kill broke may have been under way for longer than the next one took.
    const broken = Math.max(...inOrder.slice(first, at + 1).map((request) => request.to));
    gaps.push({ lane, from, to: Math.max(broken, inOrder[at + 1]?.from ?? from), requests: at - first + 1 });
  }
  return gaps;
}

/** The host was asked before the router; further apart than this, what runs may have changed meanwhile. */
const comparableWithinMs = 500;

function routeFaults(samples: Facts['samples']): readonly string[] {
  const begun = new Set<string>();
  const faults: string[] = [];
  for (const { at, apartMs, routes, instances } of samples) {
    if (!routes) continue;
    for (const lane of begun) if (!routes.some((route) => route.lane === lane)) faults.push(`${iso(at)} ${lane} had no route any more`);
    for (const { lane, arms } of routes) {
      begun.add(lane);
      const sum = arms.reduce((total, { weight }) => total + weight, 0);
      if (Math.abs(sum - 100) > 1e-6) faults.push(`${iso(at)} ${lane}: weights added up to ${sum}`);
      if (!instances || apartMs > comparableWithinMs) continue;
      const dead = arms.filter(
        ({ deployment, weight }) => weight > 0 && instances.find(({ name }) => name === deployment)?.state !== 'running',
      );
      for (const { deployment, weight } of dead)
        faults.push(`${iso(at)} ${lane}: ${weight} % of users on ${deployment}, which did not run`);
    }
  }
  return faults;
}

function overlaps(a: Window, b: Window): boolean {
  return a.from <= b.to && b.from <= a.to;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
