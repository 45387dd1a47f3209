/** The text of an annotated tag, apart into what was signed and the signature over it. */
export interface TagObject {
  /** The bytes the signature is over. Every field below is read from these and nothing else. */
  readonly payload: Buffer;
  /** The armoured ssh signature; undefined without one. */
  readonly signature: string | undefined;
  /** `ssh`, `pgp`, … or undefined. */
  readonly signatureKind: 'ssh' | 'other' | undefined;
  readonly object: string;
  readonly type: string;
  /** The name inside the object: a signed tag offered under another name keeps this one. */
  readonly name: string;
  readonly message: string;
}

const begin = '-----BEGIN ';
const kinds: Readonly<Record<string, 'ssh' | 'other'>> = {
  '-----BEGIN SSH SIGNATURE-----': 'ssh',
  '-----BEGIN PGP SIGNATURE-----': 'other',
  '-----BEGIN PGP MESSAGE-----': 'other',
  '-----BEGIN SIGNED MESSAGE-----': 'other',
};

/** Undefined when the bytes are no tag object. The last signature counts, as in git's own parse_signature. */
export function parseTagObject(bytes: Buffer): TagObject | undefined {
  const at = signatureStart(bytes);
  const payload = bytes.subarray(0, at);
  const text = payload.toString('utf8');
  const blank = text.indexOf('\n\n');
  const header = blank === -1 ? text : text.slice(0, blank);
  // The order is fixed by git (fsck refuses another), so a second `object` line cannot hide further down.
  const fields = /^object ([0-9a-f]{40}|[0-9a-f]{64})\ntype ([a-z]+)\ntag ([^\n]+)(?:\n|$)/.exec(header);
  if (fields === null) return undefined;
  const [, object = '', type = '', name = ''] = fields;
  const rest = bytes.subarray(at).toString('latin1');
  const signatureKind = rest === '' ? undefined : kinds[rest.slice(0, rest.indexOf('\n'))];
  return {
    payload,
    signature: signatureKind === 'ssh' ? rest : undefined,
    signatureKind,
    object,
    type,
    name,
    message: blank === -1 ? '' : text.slice(blank + 2).trimEnd(),
  };
}

function signatureStart(bytes: Buffer): number {
  let found = bytes.length;
  for (let at = bytes.indexOf(begin); at !== -1; at = bytes.indexOf(begin, at + 1)) {
    if (at !== 0 && bytes[at - 1] !== 0x0a) continue;
    const end = bytes.indexOf(0x0a, at);
    if (end !== -1 && kinds[bytes.toString('latin1', at, end)] !== undefined) found = at;
  }
  return found;
}
