import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Reader } from '../database/database.ts';
import { formatCheckpointLine, formatEntry, formatHeader } from './export.ts';
import { findTile, latestCheckpoint } from './ledger.store.ts';
import { inOrder, scanLedger } from './scan.store.ts';
import { TILE_WIDTH, type TilePath, tilePath, tilesOf } from './tiles.ts';

export interface ExportOptions {
  readonly origin: string;
  readonly verifierKey: string;
}

/** The ledger up to its latest checkpoint, as pieces of JSON lines (see export.ts). Constant memory. */
export async function* exportLedger(db: Reader, { origin, verifierKey }: ExportOptions): AsyncGenerator<string> {
  const checkpoint = await latestCheckpoint(db);
  const size = checkpoint?.size ?? 0;
  yield formatHeader({ origin, key: verifierKey, size, checkpoint: checkpoint?.note ?? '' });
  for await (const stretch of scanLedger(db, size)) {
    yield [...inOrder(stretch, ({ index, leaf, leaf_hash: hash }) => formatEntry({ index, leaf, hash }), formatCheckpointLine)].join('');
  }
}

/**
 * Writes the ledger as a folder laid out as c2sp.org/tlog-tiles, for public tooling: serve it with any web server. Can be
 * repeated over an earlier one: only new tiles are written, the checkpoint last, so a reader never sees it ahead of them.
 */
export async function exportTiles(db: Reader, folder: string): Promise<{ readonly size: number; readonly files: number }> {
  const checkpoint = await latestCheckpoint(db);
  if (checkpoint === undefined) return { size: 0, files: 0 };
  let files = 0;
  for (const tile of tilesOf(checkpoint.size)) {
    const paths = tile.level === 0 ? [tile, { ...tile, level: 'entries' as const }] : [tile];
    for (const path of paths) files += (await writeTile(db, folder, path)) ? 1 : 0;
  }
  await writeFile(join(folder, 'checkpoint.new'), checkpoint.note);
  await rename(join(folder, 'checkpoint.new'), join(folder, 'checkpoint'));
  return { size: checkpoint.size, files: files + 1 };
}

/** Renamed into place, so that a full tile that is there is whole and stays. */
async function writeTile(db: Reader, folder: string, path: TilePath): Promise<boolean> {
  const file = join(folder, tilePath(path));
  if (path.width === TILE_WIDTH && (await stat(file).catch(() => undefined))) return false;
  const bytes = await findTile(db, path);
  if (bytes === undefined) throw new RangeError(`expected ${tilePath(path)} in the ledger, got nothing: run \`tidegate audit verify\``);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, bytes);
  await rename(`${file}.new`, file);
  return true;
}
