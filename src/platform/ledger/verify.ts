import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { CompactRange, type Hash, leafHash } from './merkle-tree.ts';
import type { NoteVerifier } from './signed-note.ts';

/** What a ledger consists of, in order: each checkpoint right after the last entry it covers. */
export type LedgerRecord =
  | {
      readonly kind: 'entry';
      readonly index: number;
      readonly leaf: string;
      /** The leaf's hash as stored beside it, and as stored in its tile. */
      readonly stored?: readonly Hash[];
      /** Where what is stored about the entry contradicts the leaf itself. */
      readonly contradiction?: string;
    }
  | { readonly kind: 'checkpoint'; readonly note: string }
  | { readonly kind: 'unreadable'; readonly detail: string };

export type FindingCode =
  | 'entry.edited'
  | 'entry.missing'
  | 'entry.out-of-order'
  | 'entry.unsigned'
  | 'entry.unreadable'
  | 'entry.contradicted'
  | 'checkpoint.root'
  | 'checkpoint.signature'
  | 'checkpoint.out-of-order'
  | 'tile.edited'
  | 'stream.edited';

export interface Finding {
  readonly code: FindingCode;
  /** The first entry that is not what was signed; absent when it is only known to be `within`. */
  readonly firstBadIndex?: number;
  /** Entries [from, to): everything before `from` is good. */
  readonly within?: { readonly from: number; readonly to: number };
  readonly sentence: string;
}

export interface Verification {
  readonly verdict: 'verified' | 'failed';
  /** Entries that are proven: those under the last good checkpoint. */
  readonly size: number;
  /** Tree hash of those, base64. */
  readonly root: string;
  readonly origin: string;
  readonly checkpoints: number;
  readonly finding?: Finding;
  /** The result in words. */
  readonly sentence: string;
}

export interface VerifyOptions {
  readonly verifier: NoteVerifier;
  /** Checkpoints known from elsewhere (the header of an export, the auditor's own archive): the ledger must contain them. */
  readonly anchors?: readonly string[];
  /** The tree to build, when the caller wants its tiles. */
  readonly tree?: GrowingTree;
}

export interface GrowingTree {
  readonly size: number;
  append(leaf: Hash): void;
  root(): Hash;
}

/**
 * Checks that the records are exactly what was signed: every entry at its index, every tree hash under a good signature.
 * Reads once, in constant memory, and stops at the first finding. After an edited entry it goes on with the hash that was
 * stored for it up to the next checkpoint: when that one holds, the index is exact; when it does not, stored hashes were
 * rewritten too, and the finding names the entries between the two checkpoints.
 */
export async function verifyRecords(pages: AsyncIterable<readonly LedgerRecord[]>, options: VerifyOptions): Promise<Verification> {
  const walk = new Walk(options);
  for await (const page of pages) {
    for (const record of page) {
      const finding = walk.step(record);
      if (finding !== undefined) return walk.verification(finding);
    }
  }
  return walk.verification(walk.end());
}

interface Anchor extends Checkpoint {
  readonly opened: boolean;
}

class Walk {
  readonly #verifier: NoteVerifier;
  readonly #tree: GrowingTree;
  readonly #anchors: Anchor[];
  #proven = { size: 0, root: '' };
  #checkpoints = 0;
  #suspect: Finding | undefined;

  constructor({ verifier, anchors = [], tree = new CompactRange() }: VerifyOptions) {
    this.#verifier = verifier;
    this.#tree = tree;
    this.#proven.root = tree.root().toString('base64');
    this.#anchors = anchors.map((note) => anchorOf(note, verifier)).toSorted((a, b) => a.size - b.size);
  }

  step(record: LedgerRecord): Finding | undefined {
    const forged = this.#anchors.find(({ opened }) => !opened);
    if (forged)
      return { code: 'checkpoint.signature', sentence: `a checkpoint to hold the ledger against is not signed by ${this.#verifier.name}` };
    if (record.kind === 'entry') return this.#entry(record);
    if (record.kind === 'checkpoint') return this.#checkpoint(record.note);
    return this.#suspect ?? at(this.#tree.size, 'entry.unreadable', record.detail);
  }

  end(): Finding | undefined {
    const { size } = this.#tree;
    const forged = this.#anchors.find(({ opened }) => !opened);
    if (forged)
      return { code: 'checkpoint.signature', sentence: `a checkpoint to hold the ledger against is not signed by ${this.#verifier.name}` };
    const ahead = this.#anchors.at(-1);
    if (ahead !== undefined && ahead.size > size) {
      return (
        this.#suspect ?? at(size, 'entry.missing', `the ledger ends after ${size} entries, and a checkpoint of ${ahead.size} was signed`)
      );
    }
    if (size > this.#proven.size)
      return at(this.#proven.size, 'entry.unsigned', `no signed checkpoint covers the entries from index ${this.#proven.size} on`);
    return this.#suspect;
  }

  verification(finding: Finding | undefined): Verification {
    const { size, root } = this.#proven;
    const proven = { size, root, origin: this.#verifier.name, checkpoints: this.#checkpoints };
    if (finding) return { verdict: 'failed', ...proven, finding, sentence: sentenceOf(finding) };
    return {
      verdict: 'verified',
      ...proven,
      sentence: `${size} entries are what was signed, under ${this.#checkpoints} checkpoints of ${this.#verifier.name}`,
    };
  }

  #entry({ index, leaf, stored = [], contradiction }: Extract<LedgerRecord, { kind: 'entry' }>): Finding | undefined {
    const { size } = this.#tree;
    if (index > size) return this.#suspect ?? at(size, 'entry.missing', `entry ${size} is missing: after it comes ${index}`);
    if (index < size) return this.#suspect ?? at(size, 'entry.out-of-order', `expected entry ${size}, got entry ${index} again`);
    const computed = leafHash(leaf);
    const edited = stored.some((hash) => !hash.equals(computed));
    if (edited) this.#suspect ??= at(index, 'entry.edited', 'it does not have the hash it was integrated with');
    else if (contradiction !== undefined) this.#suspect ??= at(index, 'entry.contradicted', contradiction);
    this.#tree.append(edited ? (stored.at(-1) ?? computed) : computed);
    return this.#meetAnchors();
  }

  #meetAnchors(): Finding | undefined {
    for (let anchor = this.#anchors[0]; anchor !== undefined && anchor.size <= this.#tree.size; anchor = this.#anchors[0]) {
      this.#anchors.shift();
      if (anchor.size === this.#tree.size && !anchor.root.equals(this.#tree.root())) return this.#rewritten(anchor.size);
    }
    return undefined;
  }

  #checkpoint(note: string): Finding | undefined {
    const { size } = this.#tree;
    const checkpoint = read(() => openCheckpoint(note, this.#verifier));
    if (checkpoint === undefined) {
      const sentence = `the checkpoint after entry ${size - 1} is not signed by ${this.#verifier.name}`;
      return this.#suspect ?? { code: 'checkpoint.signature', within: { from: this.#proven.size, to: size }, sentence };
    }
    if (checkpoint.size > size)
      return this.#suspect ?? at(size, 'entry.missing', `entry ${size} is missing: a checkpoint of ${checkpoint.size} entries follows`);
    if (checkpoint.size < size) {
      const sentence = `a checkpoint of ${checkpoint.size} entries stands after entry ${size - 1}`;
      return this.#suspect ?? { code: 'checkpoint.out-of-order', within: { from: this.#proven.size, to: size }, sentence };
    }
    if (!checkpoint.root.equals(this.#tree.root())) return this.#rewritten(size);
    this.#checkpoints += 1;
    this.#proven = this.#suspect ? this.#proven : { size, root: checkpoint.root.toString('base64') };
    return this.#suspect;
  }

  #rewritten(to: number): Finding {
    const from = this.#proven.size;
    const text = `what was signed for ${to} entries is not what is here: entries and their hashes were rewritten`;
    return to - from === 1 ? at(from, 'checkpoint.root', text) : { code: 'checkpoint.root', within: { from, to }, sentence: text };
  }
}

function anchorOf(note: string, verifier: NoteVerifier): Anchor {
  const checkpoint = read(() => openCheckpoint(note, verifier));
  return checkpoint ? { ...checkpoint, opened: true } : { origin: '', size: 0, root: leafHash(''), opened: false };
}

function read<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function at(firstBadIndex: number, code: FindingCode, sentence: string): Finding {
  return { code, firstBadIndex, sentence };
}

function sentenceOf({ firstBadIndex, within, sentence }: Finding): string {
  if (firstBadIndex !== undefined) return `first bad index ${firstBadIndex}: ${sentence}`;
  if (within !== undefined) return `first bad index between ${within.from} and ${within.to - 1}: ${sentence}`;
  return sentence;
}
