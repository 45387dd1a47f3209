export { decideApproval, matchQuorum } from './approval.ts';
export type { Approval, ApprovalGate, ApprovalRule } from './approval.ts';
export { Freeze, decideFreeze, nextOpening } from './freeze.ts';
export type { NamedFreeze } from './freeze.ts';
export { closeApprovalGate, listApprovalGates, listApprovals, openApprovalGate } from './approval.store.ts';
export type { StoredApproval } from './approval.store.ts';
