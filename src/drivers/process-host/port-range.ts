import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { Fault } from '../../platform/fault.ts';

/** Below the range the kernel takes outgoing ports from (32768), or an application could find its port taken after a restart. */
export const defaultPorts = { from: 20_000, to: 29_999 } as const;

/** A port nobody listens on and no other instance of this host keeps. Begins at random, so that two hosts rarely meet. */
export async function choosePort(range: { readonly from: number; readonly to: number }, taken: ReadonlySet<number>): Promise<number> {
  const size = range.to - range.from + 1;
  const first = randomInt(size);
  for (let i = 0; i < size; i++) {
    const port = range.from + ((first + i) % size);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new Fault({
    code: 'host.no-port',
    status: 503,
    message: `expected a free port between ${range.from} and ${range.to}, got none`,
    remedy: 'Stop instances that are no longer needed.',
    retryable: true,
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => void server.close(() => resolve(true)));
  });
}
