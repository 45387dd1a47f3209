import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Contest, Outcomes } from './contestants.ts';
import type { Outcome } from './trial.ts';

/** A scenario to be played `runs` times before some judges. */
export interface Study {
  readonly scenario: number;
  readonly judges: readonly string[];
  readonly runs: number;
  /** Of our judges; 0.01 by default, as in the goals. */
  readonly alpha?: number;
}

const ALPHA = 0.01;

interface Options {
  readonly seed: number;
  readonly workers?: number;
  /** Called as runs finish, from 0 to 1. */
  readonly onProgress?: (share: number, scenario: number) => void;
}

/** Runs a worker gets at a time: long enough to be worth a message, short enough to keep every core busy to the end. */
const CHUNK = 20;

/**
 * Plays studies on all cores. The outcomes are those of the seed, whatever the number of cores. Every worker is gone when
 * this returns or throws.
 */
export async function playAll(studies: readonly Study[], options: Options): Promise<readonly Outcomes[]> {
  const tasks = studies.flatMap((study, index) => chunksOf(study, options.seed).map((contest) => ({ index, contest })));
  const total = studies.reduce((sum, { runs }) => sum + runs, 0);
  const parts: Map<number, Outcomes>[] = studies.map(() => new Map());
  let next = 0;
  let done = 0;
  const take = (): (typeof tasks)[number] | undefined => {
    const task = tasks[next];
    next += 1;
    return task;
  };
  const workers = Array.from(
    { length: Math.min(options.workers ?? availableParallelism(), tasks.length) },
    () => new Worker(new URL('simulation.worker.ts', import.meta.url)),
  );
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (let task = take(); task; task = take()) {
          parts[task.index]?.set(task.contest.from, await answerOf(worker, task.contest));
          done += task.contest.to - task.contest.from;
          options.onProgress?.(done / total, task.contest.scenario);
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return studies.map((study, index) => merged(study.judges, parts[index] ?? new Map<number, Outcomes>()));
}

function chunksOf({ scenario, judges, runs, alpha = ALPHA }: Study, seed: number): readonly Contest[] {
  return Array.from({ length: Math.ceil(runs / CHUNK) }, (_, index) => {
    const from = index * CHUNK;
    return { scenario, judges, alpha, seed, from, to: Math.min(runs, from + CHUNK) };
  });
}

function answerOf(worker: Worker, contest: Contest): Promise<Outcomes> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onMessage = (outcomes: Outcomes): void => {
      settle();
      resolve(outcomes);
    };
    const onError = (cause: unknown): void => {
      settle();
      reject(cause instanceof Error ? cause : new Error('expected an answer of the simulation worker, got its end', { cause }));
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(contest, []);
  });
}

function merged(judges: readonly string[], parts: ReadonlyMap<number, Outcomes>): Outcomes {
  const inOrder = [...parts.entries()].toSorted(([a], [b]) => a - b).map(([, outcomes]) => outcomes);
  return Object.fromEntries(judges.map((judge) => [judge, inOrder.flatMap((outcomes): readonly Outcome[] => outcomes[judge] ?? [])]));
}
