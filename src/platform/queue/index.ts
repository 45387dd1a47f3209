export { type QueueOptions, startQueue } from './start-queue.reconcile.ts';
export type { Lease, Next, Queue, QueueLog, Reconciler, Retry, Standing, StoredFault, Worker } from './queue.ts';
