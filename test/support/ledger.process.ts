import { createInterface } from 'node:readline';
import { connectDatabase } from '../../src/platform/database/connect.ts';
import { loadLedgerKey } from '../../src/platform/ledger/ledger-key.ts';
import { recordChange } from '../../src/platform/ledger/record.store.ts';
import { startSequencer } from '../../src/platform/ledger/sequencer.ts';
import { someChange } from './ledger.ts';

/**
 * A process for tests to kill: `sequencer` integrates for ever; `writer` records `write/NAME-SERIAL` for ever and prints
 * each serial once its transaction is committed. Ends with its parent.
 */
const [role, url = '', home = '', name = ''] = process.argv.slice(2);
createInterface(process.stdin).on('close', () => process.exit());

if (role === 'sequencer') {
  const log = { info: () => {}, error: (details: object) => console.error(details) };
  startSequencer({ url, key: await loadLedgerKey({ home }), log, pollMs: 5 });
} else {
  const db = connectDatabase(url, { poolSize: 1 });
  for (let serial = 0; ; serial += 1) {
    await db.transaction().execute((tx) => recordChange(tx, someChange(serial, { subject: `write/${name}-${serial}` })));
    process.stdout.write(`${serial}\n`);
  }
}
