import { Fault } from '../fault.ts';

/** What `If-Match` names: any version, or one of these. */
export type IfMatch = '*' | readonly string[];

/** RFC 9110 entity tag of a version or digest. */
export function entityTag(version: string | number): string {
  return `"${version}"`;
}

/** Parses If-Match or If-None-Match. Undefined when the header is absent; a malformed one is a Fault 400. */
export function parseEntityTags(header: string | undefined, name: 'If-Match' | 'If-None-Match'): IfMatch | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return '*';
  const tags = header.split(',').map((part) => /^\s*(?:W\/)?"([\x21\x23-\x7e]{1,128})"\s*$/.exec(part)?.[1]);
  const known = tags.filter((tag) => tag !== undefined);
  if (known.length === tags.length) return known;
  throw new Fault({
    code: 'version.malformed',
    status: 400,
    message: `expected ${name}: "VERSION" (quoted), got something else`,
    remedy: 'Send the ETag of the last answer as it came.',
  });
}

/** Refuses a write that was decided on another version than the current one. Call it in the transaction, on the locked row. */
export function requireVersion(ifMatch: IfMatch | undefined, current: string | number): void {
  if (ifMatch === undefined || ifMatch === '*' || ifMatch.includes(String(current))) return;
  throw new Fault({
    code: 'version.stale',
    status: 412,
    message: `expected the current version ${current}, got ${ifMatch.join(', ')}`,
    remedy: 'Read it again, look at what changed, then decide anew.',
    extra: { currentVersion: current },
  });
}
