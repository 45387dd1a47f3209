import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Fault } from '../fault.ts';
import { faultFromWire } from './fault-wire.ts';

export interface ControlClientOptions {
  readonly path: string;
  /** The process on the other side, as the reader of an error knows it: `router`, `host`. */
  readonly processName: string;
  /** @default 10,000 */
  readonly timeoutMs?: number;
}

export interface ControlClient {
  /**
   * Calls one method. Connection problems and timeouts are Faults `<process>.unreachable` (503) and `<process>.timeout`
   * (504), both retryable; a Fault of the other side comes through as it was thrown there. Methods behind a control
   * socket are idempotent, so a connection that broke while idle is tried again once.
   */
  call(method: string, input: unknown, timeoutMs?: number): Promise<unknown>;
  close(): void;
}

const maxAnswerBytes = 64 * 1_048_576;

export function connectControlSocket(options: ControlClientOptions): ControlClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const once = (method: string, body: Buffer, timeoutMs: number) => post({ options, agent, method, body, timeoutMs });
  return {
    async call(method, input, timeoutMs = options.timeoutMs ?? 10_000) {
      const body = Buffer.from(JSON.stringify(input ?? null));
      try {
        return await once(method, body, timeoutMs);
      } catch (error) {
        if (error instanceof BrokenWhileIdle) return once(method, body, timeoutMs);
        throw error;
      }
    },
    close: () => agent.destroy(),
  };
}

/** The keep-alive connection was closed by the other side (a restart) before this call used it. */
class BrokenWhileIdle extends Error {}

interface Post {
  readonly options: ControlClientOptions;
  readonly agent: Agent;
  readonly method: string;
  readonly body: Buffer;
  readonly timeoutMs: number;
}

async function post({ options, agent, method, body, timeoutMs }: Post): Promise<unknown> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest(
      {
        agent,
        socketPath: options.path,
        method: 'POST',
        path: `/${method}`,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        timeout: timeoutMs,
      },
      resolve,
    );
    request.once('timeout', () => request.destroy(timedOut(options, method, timeoutMs)));
    request.once('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof Fault) reject(error);
      else if (request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) reject(new BrokenWhileIdle());
      else reject(unreachable(options, error));
    });
    request.end(body);
  });
  const text = await readAnswer(options, response);
  const value = parseAnswer(options, text);
  if (response.statusCode === 200) return value;
  throw faultFromWire(value);
}

async function readAnswer(options: ControlClientOptions, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) throw new Error(`expected at most ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw unreachable(options, cause);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(options: ControlClientOptions, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreachable(options, cause);
  }
}

function timedOut(options: ControlClientOptions, method: string, timeoutMs: number): Fault {
  return new Fault({
    code: `${options.processName}.timeout`,
    status: 504,
    message: `expected the ${options.processName} to answer ${method} within ${timeoutMs} ms, got nothing`,
    remedy: `Look at the log of the ${options.processName}; the call is tried again.`,
    retryable: true,
  });
}

function unreachable(options: ControlClientOptions, cause: unknown): Fault {
  const why = (cause as NodeJS.ErrnoException)?.code ?? (cause instanceof Error ? cause.message : 'no answer');
  return new Fault({
    code: `${options.processName}.unreachable`,
    status: 503,
    message: `expected a ${options.processName} on ${options.path}, got ${why}`,
    remedy: `Start the ${options.processName} on this home; it takes up where it stopped.`,
    retryable: true,
    cause,
  });
}
