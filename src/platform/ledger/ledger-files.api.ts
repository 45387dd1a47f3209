import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Fault } from '../fault.ts';
import { exportLedger } from './export.store.ts';
import type { LedgerRouteDeps } from './ledger.api.ts';
import { findTile } from './ledger.store.ts';
import { parseTilePath } from './tiles.ts';

/** An export reads everything: one at a time and process. */
const EXPORTS_AT_ONCE = 1;
/** Of the whole export; at 100,000 entries a second far more than one tree will hold. */
const EXPORT_TIMEOUT_MS = 30 * 60_000;
const TILE_CACHE = 'private, max-age=31536000, immutable';

/** Mounts what is not JSON: tiles and entry bundles under /api/v1/ledger/tile (c2sp.org/tlog-tiles), and the export as JSON lines. */
export function mountLedgerFiles(app: FastifyInstance, { db, ledgerKey }: LedgerRouteDeps): void {
  app.get('/api/v1/ledger/tile/*', { config: { permission: 'ledger.read' }, schema: { hide: true } }, async (request, reply) => {
    const path = parseTilePath(`tile/${(request.params as { '*': string })['*']}`);
    const bytes = path && (await findTile(db, path));
    if (bytes === undefined) {
      throw new Fault({
        code: 'ledger.unknown-tile',
        status: 404,
        message: 'expected the path of a tile that the latest checkpoint covers, got another',
        remedy: 'See c2sp.org/tlog-tiles.',
      });
    }
    return reply.header('cache-control', TILE_CACHE).type('application/octet-stream').send(bytes);
  });
  let exporting = 0;
  app.get(
    '/api/v1/ledger/export',
    { config: { permission: 'ledger.read' }, schema: { hide: true }, handlerTimeout: EXPORT_TIMEOUT_MS },
    async (_request, reply) => {
      if (exporting >= EXPORTS_AT_ONCE) {
        throw new Fault({
          code: 'ledger.export-busy',
          status: 429,
          message: 'expected one export at a time, got another one under way',
          remedy: 'Repeat when it is done.',
          extra: { retryAfterSeconds: 30 },
        });
      }
      exporting += 1;
      const lines = Readable.from(exportLedger(db, { origin: ledgerKey.name, verifierKey: ledgerKey.verifierKey }), {
        objectMode: false,
        highWaterMark: 1 << 16,
      });
      lines.once('close', () => {
        exporting -= 1;
      });
      return reply
        .type('application/jsonl; charset=utf-8')
        .header('content-disposition', 'attachment; filename="ledger.jsonl"')
        .send(lines);
    },
  );
}
