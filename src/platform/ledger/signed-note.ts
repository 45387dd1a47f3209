import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';

/** Signed notes as in c2sp.org/signed-note, with Ed25519 keys (signature type 0x01). */
export interface NoteSigner {
  readonly name: string;
  /** The verifier key (vkey) to hand to auditors. */
  readonly verifierKey: string;
  sign(text: string): NoteSignature;
}

export interface NoteVerifier {
  readonly name: string;
  readonly keyId: number;
  verify(text: string, signature: Uint8Array): boolean;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  readonly signature: Buffer;
}

export interface Note {
  /** Ends with a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const ED25519 = 0x01;
/** DER of an Ed25519 SubjectPublicKeyInfo up to the 32 bytes of the key (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** The specification asks for room for 16 signatures of up to 5 kB; a note beyond this is refused unread. */
const MAX_NOTE_BYTES = 256 * 1024;
const MAX_SIGNATURES = 64;
const KEY_NAME = /^[^\s+\p{Z}]+$/u;

export function isKeyName(name: string): boolean {
  return KEY_NAME.test(name);
}

export function noteSigner(name: string, privateKey: KeyObject): NoteSigner {
  if (!isKeyName(name)) throw new RangeError(`expected a key name without spaces and plus signs, got "${name}"`);
  const publicKey = publicKeyBytes(createPublicKey(privateKey));
  const keyId = keyIdOf(name, publicKey);
  return {
    name,
    verifierKey: formatVerifierKey(name, publicKey),
    sign: (text) => ({ name, keyId, signature: sign(null, Buffer.from(text), privateKey) }),
  };
}

/** Throws a RangeError when the vkey is malformed, of another algorithm, or its key id does not belong to it. */
export function noteVerifier(verifierKey: string): NoteVerifier {
  const [, name = '', id = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(verifierKey.trim()) ?? [];
  const bytes = decodeBase64(encoded);
  if (!isKeyName(name) || bytes === undefined) throw new RangeError(`expected a verifier key name+id+base64, got "${verifierKey}"`);
  if (bytes[0] !== ED25519 || bytes.length !== 33) throw new RangeError(`expected an Ed25519 verifier key, got type ${bytes[0]}`);
  const publicKey = bytes.subarray(1);
  const keyId = keyIdOf(name, publicKey);
  if (keyId !== Number.parseInt(id, 16)) throw new RangeError(`expected key id ${hex(keyId)} for this name and key, got ${id}`);
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return { name, keyId, verify: (text, signature) => signature.length === 64 && verify(null, Buffer.from(text), key, signature) };
}

export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(keyId);
    return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** Reads the form only; throws a RangeError saying what is wrong. Nothing in it may be believed before `openNote`. */
export function parseNote(note: string): Note {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw new RangeError(`expected a note of at most ${MAX_NOTE_BYTES} bytes`);
  // oxlint-disable-next-line no-control-regex -- the specification forbids exactly these
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note) || !note.isWellFormed()) throw new RangeError('expected a note without control characters');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new RangeError('expected text, an empty line and signature lines, each ended by a newline');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new RangeError(`expected at most ${MAX_SIGNATURES} signatures, got ${lines.length}`);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

/**
 * The text, when at least one signature is by a known key and every signature by a known key is good; undefined otherwise.
 * Signatures by unknown keys are ignored, which is what makes cosignatures and key rotation possible.
 */
export function openNote(note: Note, verifiers: readonly NoteVerifier[]): string | undefined {
  let known = 0;
  for (const { name, keyId, signature } of note.signatures) {
    const verifier = verifiers.find((one) => one.name === name && one.keyId === keyId);
    if (verifier === undefined) continue;
    if (!verifier.verify(note.text, signature)) return undefined;
    known += 1;
  }
  return known > 0 ? note.text : undefined;
}

/** Strict base64 as in RFC 4648 §4: undefined on anything that does not encode back to the same text. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text && text !== '' ? bytes : undefined;
}

function parseSignature(line: string): NoteSignature {
  const [, name = '', encoded = ''] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (!isKeyName(name) || bytes === undefined || bytes.length < 5)
    throw new RangeError(`expected a signature line "— name base64", got "${line}"`);
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(4) };
}

function publicKeyBytes(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ed25519') throw new RangeError(`expected an Ed25519 key, got ${key.asymmetricKeyType}`);
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
}

function formatVerifierKey(name: string, publicKey: Buffer): string {
  return `${name}+${hex(keyIdOf(name, publicKey))}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString('base64')}`;
}

function keyIdOf(name: string, publicKey: Uint8Array): number {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), publicKey]), 'buffer').readUInt32BE(0);
}

function hex(keyId: number): string {
  return keyId.toString(16).padStart(8, '0');
}
