import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, RefusedError, unwrap } from '../src/client/client.ts';
import { approvers, developer } from './configuration.ts';
import { patiently } from './patience.ts';
import type { Quality } from './plan.ts';
import type { Stage } from './stage.ts';

export interface MadeRelease {
  readonly id: string;
  readonly application: string;
  readonly quality: Quality;
}

export interface TrackOptions {
  readonly stage: Stage;
  readonly application: string;
  readonly qualities: readonly Quality[];
  /** More releases are made, from the start of `qualities` again, until this says that it is enough. */
  readonly isEnough: () => boolean;
  readonly onMade: (release: MadeRelease) => void;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** One that stands still for this long will not end by itself: the run goes on to say so. */
const releaseTakesAtMostMs = 600_000;

/** What people do with one application: publish a version, have it released, approve it, and regret some. */
export async function runTrack(options: TrackOptions): Promise<void> {
  const { qualities, isEnough, signal } = options;
  for (let number = 0; number < qualities.length || !isEnough(); number++) {
    signal.throwIfAborted();
    const quality = qualities[number % qualities.length] ?? 'good';
    if (!(await runRelease(options, quality, `1.0.${number}`))) return;
  }
}

/** False when it did not end. */
async function runRelease(options: TrackOptions, quality: Quality, version: string): Promise<boolean> {
  const { stage, application, say, signal } = options;
  const tag = await stage.shop.publish({ application, version, quality });
  const { id } = await patiently(() => createRelease(stage, application, tag), signal);
  options.onMade({ id, application, quality });
  say(`  ${id} (${quality}) is released`);
  let state = await ended(options, id, 'active');
  if (quality === 'regretted' && state === 'completed') {
    await patiently(() => rollBack(stage, id), signal);
    say(`  ${id} is regretted`);
    state = await ended(options, id, 'rolling-back');
  }
  say(`  ${id} ended ${state}`);
  return state !== 'active' && state !== 'rolling-back';
}

async function ended({ stage, signal, say }: TrackOptions, release: string, from: 'active' | 'rolling-back'): Promise<string> {
  let told = '';
  for (const giveUpAt = performance.now() + releaseTakesAtMostMs; ; await sleep(400)) {
    const { state, deployments } = await patiently(() => readRelease(stage, release), signal);
    const now = deployments.map((d) => `${d.environment} ${d.state} ${d.weight} %`).join(', ');
    if (now !== told) say(`  ${release}: ${(told = now)}`);
    if (state !== from && !(from === 'rolling-back' && state === 'completed')) return state;
    if (performance.now() > giveUpAt) return state;
    if (from === 'active') await patiently(() => approveWhatWaits(stage, release), signal);
  }
}

function clientOf(stage: Stage, name: string): Client {
  const client = stage.people[name];
  if (!client) throw new Error(`expected ${name} to be signed in`);
  return client;
}

/** One key an action, however often it is asked for: what a client does that lost the answer. */
function once(...what: readonly string[]): { readonly 'idempotency-key': string } {
  return {
    'idempotency-key': what
      .join('-')
      .replaceAll(/[^\w.-]/g, '-')
      .slice(0, 120),
  };
}

function createRelease(stage: Stage, application: string, tag: string): Promise<{ readonly id: string }> {
  const client = clientOf(stage, developer);
  return unwrap(client.POST('/api/v1/releases', { body: { application, tag }, headers: once('release', tag) }));
}

function readRelease(
  stage: Stage,
  release: string,
): Promise<{
  readonly state: string;
  readonly deployments: readonly { readonly environment: string; readonly state: string; readonly weight: number }[];
}> {
  const client = clientOf(stage, approvers.operations);
  return unwrap(client.GET('/api/v1/releases/{release}', { params: { path: { release } } }));
}

async function rollBack(stage: Stage, release: string): Promise<void> {
  const client = clientOf(stage, approvers.operations);
  const body = { reason: 'The numbers of the till do not add up' };
  await unwrap(
    client.POST('/api/v1/releases/{release}/rollback', { params: { path: { release } }, body, headers: once('rollback', release) }),
  );
}

async function approveWhatWaits(stage: Stage, release: string): Promise<void> {
  const path = { params: { path: { release } } };
  const { items } = await unwrap(clientOf(stage, approvers.security).GET('/api/v1/releases/{release}/approvals', path));
  for (const { stage: name, state, candidate, quorum } of items) {
    if (state !== 'open' || candidate === undefined) continue;
    for (const { role } of quorum.filter(({ principal }) => principal === undefined)) {
      const client = clientOf(stage, approvers[role as keyof typeof approvers]);
      const headers = once('approve', release, role, candidate.slice(7, 27));
      try {
        await unwrap(
          client.POST('/api/v1/releases/{release}/approvals', { ...path, body: { decision: 'approve', candidate, stage: name }, headers }),
        );
      } catch (error) {
        // The gate closed, or the candidate changed, since it was looked at.
        if (!(error instanceof RefusedError) || (error.status !== 409 && error.status !== 412)) throw error;
      }
    }
  }
}
