import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { type Hash, isIncluded, leafHash } from './merkle-tree.ts';
import { decodeBase64, type NoteVerifier } from './signed-note.ts';

/**
 * A receipt that one entry is in the ledger, as in c2sp.org/tlog-proof: verified offline with nothing but the log's key.
 * `extra` carries the entry itself, so that one file is enough; it proves nothing until its hash is checked.
 */
export interface Proof {
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly hashes: readonly Hash[];
  /** The signed note, verbatim. */
  readonly checkpoint: string;
  readonly extra?: Buffer;
}

const HEADER = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves has proofs of 53 hashes. */
const MAX_HASHES = 64;

export function formatProof({ index, hashes, checkpoint, extra }: Proof): string {
  const lines = [HEADER];
  if (extra !== undefined) lines.push(`extra ${extra.toString('base64')}`);
  lines.push(`index ${index}`, ...hashes.map((hash) => hash.toString('base64')));
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Throws a RangeError saying what is wrong with the form. */
export function parseProof(text: string): Proof {
  const split = text.indexOf('\n\n');
  const [header, ...lines] = text.slice(0, Math.max(split, 0)).split('\n');
  if (split < 0 || header !== HEADER) throw new RangeError(`expected a proof that begins with ${HEADER}`);
  const extra = lines[0]?.startsWith('extra ') ? base64(lines.shift()?.slice('extra '.length) ?? '') : undefined;
  const [, index] = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '') ?? [];
  if (index === undefined || !Number.isSafeInteger(Number(index))) throw new RangeError('expected a line "index N"');
  if (lines.length > MAX_HASHES) throw new RangeError(`expected at most ${MAX_HASHES} hashes, got ${lines.length}`);
  const hashes = lines.map(base64);
  if (hashes.some((hash) => hash.length !== 32)) throw new RangeError('expected hashes of 32 bytes');
  const proof = { index: Number(index), hashes, checkpoint: text.slice(split + 2) };
  return extra === undefined ? proof : { ...proof, extra };
}

/** The checkpoint the entry is proven in, when signature, origin and path are good; undefined otherwise. */
export function openProof(proof: Proof, leaf: Uint8Array | string, verifier: NoteVerifier): Checkpoint | undefined {
  const checkpoint = openCheckpoint(proof.checkpoint, verifier);
  if (checkpoint === undefined) return undefined;
  const { size, root } = checkpoint;
  return isIncluded({ index: proof.index, size, leafHash: leafHash(leaf), proof: proof.hashes, root }) ? checkpoint : undefined;
}

function base64(text: string): Buffer {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw new RangeError(`expected base64, got "${text.slice(0, 80)}"`);
  return bytes;
}
