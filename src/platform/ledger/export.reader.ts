import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../fault.ts';
import { type ExportHeader, MAX_LINE_BYTES, parseHeader, parseLine } from './export.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { inclusionRanges } from './merkle-tree.ts';
import type { Proof } from './proof.ts';
import { noteVerifier, parseNote } from './signed-note.ts';
import { decodeBundle, HASH_BYTES, hashAt, TILE_WIDTH, rangeHashes, tilePath, tilesOf, TileTree } from './tiles.ts';
import { type LedgerRecord, type Verification, verifyRecords } from './verify.ts';

export interface VerifyExportOptions {
  /** The vkey that must have signed. Absent: the one the export names itself, which proves only that it is of one piece. */
  readonly verifierKey?: string;
  /** Signed checkpoints kept from earlier: the export must contain them. */
  readonly anchors?: readonly string[];
  /** The tree to build, when the caller wants its tiles. */
  readonly tree?: TileTree;
}

export interface ExportVerification extends Verification {
  readonly key: string;
  readonly keyFrom: 'given' | 'export';
}

/**
 * Verifies an export of JSON lines without any database: one pass, constant memory, any length. Fault `audit.unreadable`
 * when there is no such file or it is not an export; everything after the header is evidence and ends in a verdict.
 */
export async function verifyExport(
  path: string,
  { verifierKey, anchors = [], tree }: VerifyExportOptions = {},
): Promise<ExportVerification> {
  const lines = linesOf(path);
  const header = await readHeader(path, lines);
  const key = verifierKey ?? header.key;
  const verifier = verifierOf(key);
  const stated = header.size > 0 || header.checkpoint !== '' ? [header.checkpoint] : [];
  const verification = await verifyRecords(recordsOf(lines), { verifier, anchors: [...stated, ...anchors], ...(tree && { tree }) });
  return { ...verification, key, keyFrom: verifierKey === undefined ? 'export' : 'given' };
}

/** Verifies a folder laid out as c2sp.org/tlog-tiles: its checkpoint, entry bundles and leaf tiles. The key must be given. */
export async function verifyTiles(
  folder: string,
  { verifierKey, anchors = [] }: VerifyExportOptions & { readonly verifierKey: string },
): Promise<ExportVerification> {
  const note = await readFile(join(folder, 'checkpoint'), 'utf8').catch((error: unknown) => Promise.reject(unreadable(folder, error)));
  const size = readable(folder, () => parseCheckpoint(parseNote(note).text).size);
  const verification = await verifyRecords(tileRecords(folder, size, note), {
    verifier: verifierOf(verifierKey),
    anchors: [note, ...anchors],
  });
  return { ...verification, key: verifierKey, keyFrom: 'given' };
}

/**
 * The receipt of an entry from an export, which must verify as a whole. Holds the tree in memory: 33 bytes per entry.
 * Undefined when there is no such entry.
 */
export async function proveFromExport(path: string, index: number): Promise<Proof | undefined> {
  const tree = new TileTree();
  const { verdict, sentence } = await verifyExport(path, { tree });
  if (verdict === 'failed') throw unreadable(path, new Error(`it does not verify: ${sentence}`));
  if (index >= tree.size) return undefined;
  const lines = linesOf(path);
  const { checkpoint } = await readHeader(path, lines);
  for await (const page of recordsOf(lines)) {
    const found = page.find((record) => record.kind === 'entry' && record.index === index);
    if (found?.kind !== 'entry') continue;
    return {
      index,
      hashes: rangeHashes(inclusionRanges(index, tree.size), tree.takeChanged()),
      checkpoint,
      extra: Buffer.from(found.leaf),
    };
  }
  return undefined;
}

/** Fault `audit.unreadable` instead of the RangeError of a malformed key. */
export function verifierOf(key: string): ReturnType<typeof noteVerifier> {
  return readable('the verifier key', () => noteVerifier(key));
}

async function readHeader(path: string, lines: AsyncGenerator<readonly string[]>): Promise<ExportHeader> {
  let first: readonly string[] | undefined;
  try {
    first = (await lines.next()).value as readonly string[] | undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
  const header = parseHeader(first?.[0] ?? '');
  if (header === undefined) throw unreadable(path, new TypeError('its first line is not the header of a ledger export'));
  return header;
}

async function* recordsOf(lines: AsyncGenerator<readonly string[]>): AsyncGenerator<readonly LedgerRecord[]> {
  for await (const page of lines) yield page.map(parseLine);
}

/** The first line alone, then pages of lines. A line without end is cut, so that memory stays bounded whatever the file is. */
async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    const end = bytes.lastIndexOf(0x0a);
    if (end < 0 && bytes.length < MAX_LINE_BYTES) {
      rest = bytes;
      continue;
    }
    if (end < 0) {
      // Of a line that is too long only the beginning is read: no record, so the verifier stops there.
      rest = bytes.subarray(0, 100);
      break;
    }
    const lines = bytes.toString('utf8', 0, end).split('\n');
    rest = bytes.subarray(end + 1);
    if (first) yield lines.splice(0, 1);
    first = false;
    yield lines;
  }
  if (rest.length > 0) yield [rest.toString('utf8')];
}

async function* tileRecords(folder: string, size: number, note: string): AsyncGenerator<readonly LedgerRecord[]> {
  for (const tile of tilesOf(size)) {
    if (tile.level > 0) break;
    const begin = tile.index * TILE_WIDTH;
    const [bundle, hashes] = await Promise.all([
      tileBytes(folder, tilePath({ ...tile, level: 'entries' })),
      tileBytes(folder, tilePath(tile)),
    ]);
    if (bundle === undefined || hashes === undefined || hashes.length !== tile.width * HASH_BYTES) return;
    const leaves = readable(folder, () => decodeBundle(bundle));
    yield leaves.map((leaf, at) => ({ kind: 'entry', index: begin + at, leaf, stored: at < tile.width ? [hashAt(hashes, at)] : [] }));
  }
  yield [{ kind: 'checkpoint', note }];
}

/** Undefined when it is not there: the verifier then misses the entries. */
async function tileBytes(folder: string, path: string): Promise<Buffer | undefined> {
  return readFile(join(folder, path)).catch(() => undefined);
}

function readable<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(what, error);
  }
}

function unreadable(what: string, cause: unknown): Fault {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new Fault({
    code: 'audit.unreadable',
    status: 422,
    message: `expected to read ${what}, got: ${detail}`,
    remedy: 'give a file written by `tidegate audit export`, a folder of tlog-tiles, and a key as name+id+base64',
    cause,
  });
}
