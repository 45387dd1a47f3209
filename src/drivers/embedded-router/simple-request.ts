import { isForgeable } from './http-head.ts';

/**
 * The requests most users send: GET or HEAD without a body, all of it in one packet, nothing unusual in its head. Only
 * these are read here; whatever is not plainly one of them goes to Node's own HTTP server on the same connection. So this
 * reader never has to be lenient, and every request it accepts means the same to Node's.
 */
export interface SimpleRequest {
  readonly isHead: boolean;
  readonly requestLine: string;
  /** Headers to pass on, each with its line end. */
  readonly lines: string;
  readonly host: string;
  readonly user: string | undefined;
  readonly cookies: string | undefined;
}

export const maxSimpleBytes = 8_192;

const simpleHead = /^(?:GET|HEAD) \/[\x21-\x7e]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n){1,64}\r\n$/;

/** Headers that change how a message is read, or that the router rewrites. */
const notSimple: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'keep-alive',
  'http2-settings',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
]);

/** Undefined means: not for this reader. `userHeader` in lower case. */
export function parseSimpleRequest(text: string, userHeader: string): SimpleRequest | undefined {
  if (!simpleHead.test(text)) return undefined;
  const end = text.length - 2;
  const firstLine = text.indexOf('\r\n') + 2;
  let host: string | undefined;
  let user: string | undefined;
  let cookies: string | undefined;
  let connectionAt = -1;
  let afterConnection = -1;
  for (let at = firstLine; at < end;) {
    const next = text.indexOf('\r\n', at) + 2;
    const colon = text.indexOf(':', at);
    const name = text.slice(at, colon).toLowerCase();
    if (name === 'host') {
      if (host !== undefined) return undefined;
      host = valueOf(text, colon, next);
    } else if (name === userHeader) {
      if (user !== undefined) return undefined;
      user = valueOf(text, colon, next);
    } else if (name === 'cookie') {
      if (cookies !== undefined) return undefined;
      cookies = valueOf(text, colon, next);
    } else if (name === 'connection') {
      if (connectionAt !== -1 || valueOf(text, colon, next).toLowerCase() !== 'keep-alive') return undefined;
      connectionAt = at;
      afterConnection = next;
    } else if (notSimple.has(name) || isForgeable(name)) return undefined;
    at = next;
  }
  if (host === undefined) return undefined;
  const lines = connectionAt === -1 ? text.slice(firstLine, end) : text.slice(firstLine, connectionAt) + text.slice(afterConnection, end);
  return { isHead: text.startsWith('HEAD'), requestLine: text.slice(0, firstLine), lines, host, user, cookies };
}

function valueOf(text: string, colon: number, next: number): string {
  return text.slice(colon + 1, next - 2).trim();
}
