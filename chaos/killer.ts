import { setTimeout as sleep } from 'node:timers/promises';
import { signal } from '../src/platform/processes/process-table.ts';
import type { Platform } from '../src/start-platform.ts';
import type { Kill } from './evidence.ts';
import { until } from './patience.ts';
import type { ChaosPlan, Victim } from './plan.ts';

export interface KillerOptions {
  readonly platform: Platform;
  readonly plan: ChaosPlan;
  /** Holds a worker that is stopped: killing it would spare it the waking up. */
  readonly spared: ReadonlySet<Victim>;
  /** Called between two kills, not waited for. */
  readonly onKilled: (count: number) => void;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A victim that does not come back within this is lost, which the report says. */
const backWithinMs = 120_000;

/** Kills by plan with -9. A victim must be back before it is chosen again; others are killed meanwhile. */
export async function killByPlan(options: KillerOptions): Promise<readonly Kill[]> {
  const { plan, platform, spared, say } = options;
  const kills: Promise<Kill>[] = [];
  for (const { afterMs, victim } of plan.kills) {
    await sleep(afterMs, undefined, { signal: options.signal });
    const pid = await until(() => (spared.has(victim) ? undefined : pidOf(platform, victim)), {
      withinMs: backWithinMs,
      signal: options.signal,
    });
    options.signal.throwIfAborted();
    if (pid === undefined) throw new Error(`expected ${victim} to be back within ${backWithinMs / 1_000} s, it is not`);
    const at = Date.now();
    signal(pid, 'SIGKILL');
    say(`kill ${kills.length + 1}/${plan.kills.length}: ${victim} (${pid})`);
    kills.push(seeBack({ platform, victim, pid, at, over: options.signal }));
    options.onKilled(kills.length);
  }
  return Promise.all(kills);
}

async function seeBack(killed: { platform: Platform; victim: Victim; pid: number; at: number; over: AbortSignal }): Promise<Kill> {
  const { platform, victim, pid, at, over } = killed;
  const next = await until(
    () => {
      const found = pidOf(platform, victim);
      return found === pid ? undefined : found;
    },
    { withinMs: backWithinMs, everyMs: 20, signal: over },
  );
  return { victim, pid, at, backAt: next === undefined ? undefined : Date.now() };
}

/** Of one that serves; undefined while it is gone or starting. */
export function pidOf(platform: Platform, victim: Victim): number | undefined {
  const found = platform.processes().find(({ name }) => name === victim);
  return found?.state === 'running' ? found.pid : undefined;
}
