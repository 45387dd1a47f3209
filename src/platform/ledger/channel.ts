/** NOTIFY channel of the sequencer: one notification per integrated batch, its payload the new size of the ledger. */
export const ledgerChannel = 'tidegate_ledger';
