import { connect, type Socket } from 'node:net';
import { maxHeadBytes, parseResponseHead, versionHeader } from './http-head.ts';
import type { Lane } from './lane.ts';
import { pick } from './pick.ts';

export interface TunnelRequest {
  readonly lane: Lane;
  readonly user: string;
  /** The upgrade request for the upstream, with its empty line. */
  readonly head: string;
  readonly socket: Socket;
  /** What the client sent after its head. */
  readonly first: Buffer;
}

const openTimeoutMs = 10_000;

/**
 * A WebSocket: after `101` bytes pass both ways untouched until either side ends. Counted once, when the upstream
 * answers. Any other answer is passed on without its body, and the connection ends: nothing may follow on it past the router.
 */
export function openTunnel({ lane, user, head, socket, first }: TunnelRequest): void {
  const generation = lane.current;
  const arm = generation.arms[pick(generation.arms, user)];
  if (!arm) return void socket.destroy();
  const startedAt = performance.now();
  const { upstream } = arm;
  const remote = connect({ host: upstream.host, port: upstream.port, noDelay: true });
  let isCounted = false;
  const count = (failed: boolean): void => {
    if (isCounted) return;
    isCounted = true;
    lane.record(generation, { deployment: arm.deployment, user, failed, latencyMs: failed ? undefined : performance.now() - startedAt });
  };
  const overdue = setTimeout(() => remote.destroy(), openTimeoutMs);
  upstream.inFlight++;
  remote.once('close', () => {
    clearTimeout(overdue);
    upstream.inFlight--;
    count(true);
    socket.destroy();
  });
  remote.on('error', () => remote.destroy());
  socket.on('error', () => socket.destroy());
  socket.once('close', () => remote.destroy());
  remote.write(head, 'latin1');
  if (first.length > 0) remote.write(first);
  readHead(remote, (answer, rest) => {
    clearTimeout(overdue);
    count(answer === undefined || answer.status >= 500);
    if (answer?.status !== 101) {
      socket.end(refusal(answer?.status, answer?.reason), 'latin1');
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\n${answer.lines}${versionHeader}: ${arm.version}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
      'latin1',
    );
    if (rest.length > 0) socket.write(rest);
    remote.pipe(socket);
    socket.pipe(remote);
  });
}

function refusal(status = 502, reason = 'Bad Gateway'): string {
  return `HTTP/1.1 ${status} ${reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
}

function readHead(socket: Socket, onHead: (head: ReturnType<typeof parseResponseHead>, rest: Buffer) => void): void {
  let bytes = Buffer.alloc(0);
  const onData = (data: Buffer): void => {
    bytes = Buffer.concat([bytes, data]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1 && bytes.length <= maxHeadBytes) return;
    socket.off('data', onData);
    socket.pause();
    onHead(end === -1 ? undefined : parseResponseHead(bytes.toString('latin1', 0, end), false), bytes.subarray(end + 4));
  };
  socket.on('data', onData);
}
