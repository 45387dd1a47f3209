import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** A content address: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** RFC 8785 canonical JSON. Throws on what JSON cannot say (NaN, undefined at the top). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('expected a JSON value, got undefined or a function');
  return text;
}

export function digestOfBytes(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** SHA-256 over the RFC 8785 form: two equal values have one digest, whatever their key order. */
export function digestOfJson(value: unknown): Digest {
  return digestOfBytes(canonicalJson(value));
}
