import { type Hash } from './merkle-tree.ts';
import { decodeBase64, formatNote, type NoteSigner, type NoteVerifier, openNote, parseNote } from './signed-note.ts';

/** What the log states about itself at one size, as in c2sp.org/tlog-checkpoint. */
export interface Checkpoint {
  /** Which log: a URL without scheme, also the name of its key. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Throws a RangeError on anything but origin, size, root and non-empty extension lines. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  const [origin = '', size = '', root = ''] = lines;
  const hash = decodeBase64(root);
  if (lines.pop() !== '' || origin === '' || lines.includes('')) throw new RangeError('expected a checkpoint of non-empty lines');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) throw new RangeError(`expected a tree size, got "${size}"`);
  if (hash?.length !== 32) throw new RangeError(`expected a root hash of 32 bytes, got "${root}"`);
  return { origin, size: Number(size), root: hash };
}

/** A signed note over the checkpoint. */
export function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): string {
  const text = formatCheckpoint(checkpoint);
  return formatNote({ text, signatures: [signer.sign(text)] });
}

/** The checkpoint of a note, when the log's own key signed it and its origin is the key's name; undefined otherwise. */
export function openCheckpoint(note: string, verifier: NoteVerifier): Checkpoint | undefined {
  const text = openNote(parseNote(note), [verifier]);
  if (text === undefined) return undefined;
  const checkpoint = parseCheckpoint(text);
  return checkpoint.origin === verifier.name ? checkpoint : undefined;
}
