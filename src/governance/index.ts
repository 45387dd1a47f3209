export { decideApproval, matchQuorum } from './approval.ts';
export type { Approval, ApprovalGate, ApprovalRule } from './approval.ts';
export { Freeze, decideFreeze, nextOpening } from './freeze.ts';
export type { NamedFreeze } from './freeze.ts';
export { closeApprovalGate, listApprovalGates, listApprovals, openApprovalGate } from './approval.store.ts';
export type { StoredApproval } from './approval.store.ts';
export { approvalRoutes } from './approval.api.ts';
export { freezeRoutes } from './freeze.api.ts';
export { freezeKind } from './freeze.kind.ts';
