export { startQueue } from './start-queue.reconcile.ts';
export type { Lease, Next, Queue, QueueLog, Reconciler, Worker } from './queue.ts';
