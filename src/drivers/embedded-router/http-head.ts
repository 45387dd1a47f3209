/**
 * Strict reading of the head of an HTTP/1.1 response: only what RFC 9112 allows without its tolerances. Anything else is
 * `undefined`, and the connection it came on is given up: two readers that disagree about where a message ends hand one
 * user the answer of another.
 */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Header lines to pass on, each with its line end: hop-by-hop ones and our own version header are taken out. */
  readonly lines: string;
  readonly hasDate: boolean;
  readonly framing: Framing;
  readonly keepAlive: boolean;
  /** `timeout` of a Keep-Alive header, in seconds. */
  readonly keepAliveSeconds: number | undefined;
}

/** How the end of a body is known: by length, by chunks, by the end of the connection. `length: 0` is no body. */
export type Framing = { readonly kind: 'length'; readonly length: number } | { readonly kind: 'chunked' } | { readonly kind: 'close' };

export const maxHeadBytes = 32_768;
export const versionHeader = 'x-tidegate-version';

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d) ?([\t\x20-\x7e\x80-\xff]*)$/;
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;

/** Never passed on (RFC 9110 §7.6.1). `content-length` stays, as it is rewritten to nothing else. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

interface Fields {
  connection: string;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  keepAlive: string | undefined;
  kept: { name: string; line: string }[];
}

/** `text` is the head without its closing empty line. `bodyless`: the answer to a HEAD request. */
export function parseResponseHead(text: string, bodyless: boolean): ResponseHead | undefined {
  const [first = '', ...rest] = text.split('\r\n');
  const start = statusLine.exec(first);
  if (!start) return undefined;
  const fields = readFields(rest);
  if (!fields) return undefined;
  const status = Number(start[2]);
  const framing = framingOf(fields, bodyless || status < 200 || status === 204 || status === 304);
  if (!framing) return undefined;
  const connection = fields.connection.toLowerCase();
  const dropped = namedHeaders(connection);
  return {
    status,
    reason: start[3] ?? '',
    lines: fields.kept.map((field) => (dropped.has(field.name) ? '' : field.line)).join(''),
    hasDate: fields.kept.some((field) => field.name === 'date'),
    framing,
    keepAlive: framing.kind !== 'close' && !dropped.has('close') && (start[1] === '1' || dropped.has('keep-alive')),
    keepAliveSeconds: keepAliveSeconds(fields.keepAlive),
  };
}

function readFields(lines: readonly string[]): Fields | undefined {
  const fields: Fields = { connection: '', contentLength: undefined, transferEncoding: undefined, keepAlive: undefined, kept: [] };
  for (const line of lines) {
    const match = headerLine.exec(line);
    if (!match) return undefined;
    const name = (match[1] ?? '').toLowerCase();
    const value = (match[2] ?? '').trimEnd();
    if (name === 'content-length') {
      if (fields.contentLength !== undefined) return undefined;
      fields.contentLength = value;
    } else if (name === 'transfer-encoding') {
      if (fields.transferEncoding !== undefined) return undefined;
      fields.transferEncoding = value.toLowerCase();
      continue;
    } else if (name === 'connection') fields.connection += `,${value}`;
    else if (name === 'keep-alive') fields.keepAlive = value;
    if (!hopByHop.has(name) && name !== versionHeader) fields.kept.push({ name, line: `${line}\r\n` });
  }
  return fields;
}

function framingOf(fields: Fields, bodyless: boolean): Framing | undefined {
  const { contentLength, transferEncoding } = fields;
  if (contentLength !== undefined && !/^\d{1,15}$/.test(contentLength)) return undefined;
  if (transferEncoding !== undefined && (transferEncoding !== 'chunked' || contentLength !== undefined)) return undefined;
  if (bodyless) return { kind: 'length', length: 0 };
  if (transferEncoding !== undefined) return { kind: 'chunked' };
  return contentLength === undefined ? { kind: 'close' } : { kind: 'length', length: Number(contentLength) };
}

/** What only we may tell an application about where a request came from; `_` because some servers read it as `-`. */
export function isForgeable(name: string): boolean {
  const plain = name.replaceAll('_', '-');
  return plain === 'forwarded' || plain === 'x-real-ip' || plain.startsWith('x-forwarded-') || plain.startsWith('x-tidegate-');
}

/** What a Connection header names: options and headers that end at this hop. Never lets it name the length away. */
export function namedHeaders(connection: string): ReadonlySet<string> {
  if (connection === '') return none;
  if (connection === ',keep-alive') return keepAliveOnly;
  const names = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  names.delete('content-length');
  names.delete('host');
  return names;
}
const none: ReadonlySet<string> = new Set();
const keepAliveOnly: ReadonlySet<string> = new Set(['keep-alive']);

function keepAliveSeconds(value: string | undefined): number | undefined {
  const match = value === undefined ? null : /(?:^|[,\s])timeout=(\d{1,6})/.exec(value);
  return match ? Number(match[1]) : undefined;
}
