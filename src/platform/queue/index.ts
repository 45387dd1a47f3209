export { startQueue } from './start-queue.reconcile.ts';
export type { Lease, Next, Queue, QueueLog, Reconciler } from './queue.ts';
