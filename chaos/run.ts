import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { approvers } from './configuration.ts';
import { collect } from './collect.store.ts';
import type { Evidence, Kill, StoppedWorker } from './evidence.ts';
import { killByPlan } from './killer.ts';
import { listInstanceProcesses } from './operating-system.ts';
import { until } from './patience.ts';
import type { ChaosPlan, Victim } from './plan.ts';
import { type MadeRelease, runTrack } from './release-track.ts';
import { setStage, type Stage } from './stage.ts';
import { stopLeaseHolder } from './stopper.store.ts';
import { sendUsers, type Users, watch } from './watcher.ts';

export interface RunOptions {
  readonly plan: ChaosPlan;
  readonly ratePerSecond: number;
  /** Folder that gets the logs of every process before they are removed. */
  readonly logs: string | undefined;
  readonly say: (line: string) => void;
  /** Ends the run early; everything is cleaned up all the same. */
  readonly signal: AbortSignal;
}

/** The whole run; leaves nothing behind, however it ends. */
export async function runChaos(options: RunOptions): Promise<Evidence> {
  const { plan, say } = options;
  const stage = await setStage({ applications: Object.keys(plan.releases), say });
  try {
    options.signal.throwIfAborted();
    return await playAll(stage, options);
  } finally {
    say('ending everything');
    if (options.logs !== undefined) await keepLogs(stage, options.logs);
    await stage.strike();
  }
}

async function keepLogs({ platform }: Stage, folder: string): Promise<void> {
  await cp(platform.paths.logs, folder, { recursive: true });
  await cp(join(platform.paths.postgres, 'postgres.log'), join(folder, 'postgres.log')).catch(() => undefined);
}

async function playAll(stage: Stage, options: RunOptions): Promise<Evidence> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const watcher = watch(stage);
  const users: Users[] = [];
  const made: MadeRelease[] = [];
  try {
    const parts = [sendUsersOnceServed(stage, { ...options, signal }, users), actOut(stage, { ...options, signal }, made)] as const;
    for (const part of parts) part.catch((error: unknown) => failed.abort(error));
    const [, { kills, stops }] = await Promise.all(parts);
    await Promise.all(users.map((each) => each.stop()));
    await settle(stage, watcher);
    return await gather(stage, { watcher, made, kills, stops, requests: users.flatMap(({ requests }) => requests) });
  } finally {
    await Promise.all([watcher.stop(), ...users.map((each) => each.stop())]);
  }
}

/** Releases, kills and stops, all at once. */
async function actOut(
  stage: Stage,
  { plan, say, signal }: RunOptions,
  made: MadeRelease[],
): Promise<{ kills: readonly Kill[]; stops: readonly StoppedWorker[] }> {
  const spared = new Set<Victim>();
  const stops: Promise<StoppedWorker | undefined>[] = [];
  let isOver = false;
  const onKilled = (count: number): void => {
    if (!plan.stopsAfter.includes(count)) return;
    const stop = chain(stops.at(-1), () => stopLeaseHolder({ stage, spared, say, signal }));
    // When the run ends early nobody waits for it any more; its failure must not end the cleaning up.
    stop.catch(() => {});
    stops.push(stop);
  };
  const killing = (async () => {
    const kills = await killByPlan({ platform: stage.platform, plan, spared, onKilled, say, signal });
    const stopped = await Promise.all(stops);
    isOver = true;
    return { kills, stops: stopped.filter((stop) => stop !== undefined) };
  })();
  const tracks = Object.entries(plan.releases).map(([application, qualities]) =>
    runTrack({ stage, application, qualities, isEnough: () => isOver, onMade: (release) => made.push(release), say, signal }),
  );
  const [done] = await Promise.all([killing, ...tracks]);
  return done;
}

async function chain<T>(before: Promise<unknown> | undefined, next: () => Promise<T>): Promise<T> {
  await before;
  return next();
}

/** Before the first version serves there is nobody to ask: users come when production has a route. */
async function sendUsersOnceServed(stage: Stage, { ratePerSecond, plan, signal }: RunOptions, users: Users[]): Promise<void> {
  await Promise.all(
    stage.applications.map(async (application) => {
      const url = `http://127.0.0.1:${application.ports.production}/healthz`;
      const served = await until(
        () =>
          fetch(url).then(
            ({ ok }) => ok || undefined,
            () => undefined,
          ),
        { withinMs: 600_000, everyMs: 100, signal },
      );
      if (served) users.push(sendUsers(application, { ratePerSecond, seed: plan.seed }));
    }),
  );
}

/** The last deployment gave its lane back before its release ended; what it retired is gone from the host's list by then. */
async function settle({ platform }: Stage, watcher: ReturnType<typeof watch>): Promise<void> {
  await until(() => (platform.processes().every(({ state }) => state === 'running') ? true : undefined), { withinMs: 60_000 });
  await watcher.look();
}

interface Gathered {
  readonly watcher: ReturnType<typeof watch>;
  readonly made: readonly MadeRelease[];
  readonly kills: readonly Kill[];
  readonly stops: readonly StoppedWorker[];
  readonly requests: Evidence['requests'];
}

async function gather(stage: Stage, { watcher, made, kills, stops, requests }: Gathered): Promise<Evidence> {
  const db = stage.connect();
  try {
    const collected = await collect(db, stage.home, made);
    const final = { ...collected.final, ...(await watcher.look()), processes: await listInstanceProcesses(stage.home) };
    const quorum = Object.fromEntries(Object.keys(approvers).map((role) => [role, 1]));
    return { ...collected, final, approvalsBefore: { staging: {}, production: quorum }, samples: watcher.samples, requests, kills, stops };
  } finally {
    await db.destroy();
  }
}
