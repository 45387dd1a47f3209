import type { Evidence, Finding } from '../evidence.ts';
import { approvedBeforeEntry } from './approvals.ts';
import { deploymentsOnce } from './deployments-once.ts';
import { inLedgerOnce } from './ledger-once.ts';
import { ledgerVerifies } from './ledger-verifies.ts';
import { stoppedChangedNothing } from './leases.ts';
import { rightEnds } from './right-ends.ts';
import { alwaysServed, noneFailedByUs } from './traffic.ts';

export const invariants: readonly ((evidence: Evidence) => Finding)[] = [
  rightEnds,
  approvedBeforeEntry,
  inLedgerOnce,
  deploymentsOnce,
  alwaysServed,
  noneFailedByUs,
  ledgerVerifies,
  stoppedChangedNothing,
];
