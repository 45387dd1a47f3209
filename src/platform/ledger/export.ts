import { decodeBase64 } from './signed-note.ts';
import type { LedgerRecord } from './verify.ts';

/**
 * An export: JSON lines. The first is the header; then every entry in order, and each checkpoint right after the last
 * entry it covers, so that a reader verifies it in one pass and constant memory. The leaf stands as a string, because its
 * bytes are what was hashed.
 */
export interface ExportHeader {
  readonly format: typeof EXPORT_FORMAT;
  readonly origin: string;
  /** The log's verifier key. Whoever verifies should have it from elsewhere. */
  readonly key: string;
  readonly size: number;
  /** The checkpoint at `size`; empty for an empty ledger. */
  readonly checkpoint: string;
}

export const EXPORT_FORMAT = 'tidegate-ledger-export/1';
/** The longest line there can be: a leaf of 65,535 bytes in which JSON escapes every byte. */
export const MAX_LINE_BYTES = 512 * 1024;

export function formatHeader(header: Omit<ExportHeader, 'format'>): string {
  return `${JSON.stringify({ format: EXPORT_FORMAT, ...header })}\n`;
}

export function formatEntry({ index, leaf, hash }: { readonly index: number; readonly leaf: string; readonly hash: Buffer }): string {
  return `{"index":${index},"hash":"${hash.toString('base64')}","leaf":${JSON.stringify(leaf)}}\n`;
}

export function formatCheckpointLine(note: string): string {
  return `${JSON.stringify({ checkpoint: note })}\n`;
}

/** Undefined when the line does not begin an export of this format. */
export function parseHeader(line: string): ExportHeader | undefined {
  const value = parse(line);
  if (value === undefined) return undefined;
  const { format, origin, key, size, checkpoint } = value;
  if (format !== EXPORT_FORMAT || typeof origin !== 'string' || typeof key !== 'string' || typeof checkpoint !== 'string') return undefined;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? { format, origin, key, size, checkpoint } : undefined;
}

/** Never throws: a line that is no record is a record `unreadable`, for the verifier to report. */
export function parseLine(line: string): LedgerRecord {
  const value = parse(line);
  if (value === undefined) return { kind: 'unreadable', detail: `expected a line of JSON, got ${JSON.stringify(line.slice(0, 60))}` };
  const { index, leaf, hash, checkpoint } = value;
  if (typeof checkpoint === 'string') return { kind: 'checkpoint', note: checkpoint };
  if (typeof index !== 'number' || typeof leaf !== 'string') return { kind: 'unreadable', detail: 'expected an entry or a checkpoint' };
  if (hash === undefined) return { kind: 'entry', index, leaf };
  const stored = typeof hash === 'string' ? decodeBase64(hash) : undefined;
  return stored ? { kind: 'entry', index, leaf, stored: [stored] } : { kind: 'unreadable', detail: 'expected the hash in base64' };
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // reported by the caller, with the line
  }
}
