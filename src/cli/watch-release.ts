import pc from 'picocolors';
import type { WatchedEvent } from '../client/client.ts';
import { unwrap, watchEvents } from '../client/client.ts';
import { exitCode, exitCodeOfRelease } from './exit-code.ts';
import { printable } from './paint.ts';
import type { Session } from './session.ts';
import { Ended } from './session.ts';

export interface WatchReleaseOptions {
  readonly timeoutSeconds: number;
  /** A line for each event, as it happens. */
  readonly tell: boolean;
}

const underWay: ReadonlySet<string> = new Set(['active', 'rolling-back']);

/** Follows a release to its end. Exits 0 completed, 7 rolled back, 1 failed or cancelled, 124 timed out. */
export async function watchRelease(session: Session, id: string, options: WatchReleaseOptions): Promise<void> {
  const deadline = AbortSignal.timeout(options.timeoutSeconds * 1000);
  const read = () => unwrap(session.client.GET('/api/v1/releases/{release}', { params: { path: { release: id } } }));
  let release = await read();
  const events = watchEvents({
    server: session.server,
    subject: `release/${id}`,
    after: 0,
    signal: deadline,
    ...(session.token === undefined ? {} : { token: session.token }),
  });
  for await (const event of events) {
    if (options.tell) process.stdout.write(`${session.json ? JSON.stringify(event.event) : lineOf(event)}\n`);
    if (!isEnd(event, id)) continue;
    release = await read();
    if (!underWay.has(release.state)) break;
  }
  if (underWay.has(release.state))
    throw new Ended(
      exitCode.timedOut,
      `expected ${id} to end within ${options.timeoutSeconds} s; it is ${release.state}: ${release.standing.sentence}`,
    );
  if (!options.tell) session.print(release, () => `${release.id} ${release.state}: ${release.standing.sentence}`);
  throw new Ended(exitCodeOfRelease(release.state));
}

interface TidegateEvent {
  readonly time?: string;
  /** The ledger's entry stands in it whole, whatever CDEvents type carries it. */
  readonly data?: { readonly customData?: LedgerEntry };
}

interface LedgerEntry {
  readonly action?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly reason?: string;
  readonly after?: Readonly<Record<string, unknown>>;
}

function isEnd(event: WatchedEvent, id: string): boolean {
  const entry = (event.event as TidegateEvent).data?.customData;
  return entry?.subject === `release/${id}` && /^release\.(completed|rolled-back|failed|cancelled)$/.test(entry.action ?? '');
}

function lineOf(event: WatchedEvent): string {
  const { time, data: { customData: data } = {} } = event.event as TidegateEvent;
  const weight = data?.after?.['weight'];
  const share = typeof weight === 'number' ? ` ${weight} %` : '';
  return `${pc.dim(time?.slice(11, 19) ?? '')} ${data?.action ?? event.type}${share} ${pc.dim(`by ${data?.actor ?? 'unknown'}`)}${data?.reason ? ` — ${printable(data.reason)}` : ''}`;
}
