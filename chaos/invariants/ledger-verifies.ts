import { type Evidence, type Finding, finding } from '../evidence.ts';

/** The export, read without a database, is what was signed, and it is all of it. */
export function ledgerVerifies({ verification, entries }: Pick<Evidence, 'verification' | 'entries'>): Finding {
  const { verdict, size, sentence } = verification;
  return finding(
    'the ledger verifies offline',
    [
      ...(verdict === 'verified' ? [] : [sentence]),
      ...(size === entries.length ? [] : [`expected ${entries.length} proven entries, got ${size}`]),
    ],
    { verdict, size, sentence },
  );
}
