import type { Transaction } from './platform/database/database.ts';
import { principalKind, roleKind } from './platform/identity/people.ts';
import type { Queue } from './platform/queue/index.ts';
import { kindsOf } from './platform/resources/kinds.ts';
import type { Kinds, ResourceKind } from './platform/resources/index.ts';
import { environmentKind } from './environments/index.ts';
import { freezeKind } from './governance/index.ts';
import { listRunsUnderWay, pipelineKind } from './pipelines/index.ts';
import { applicationKind } from './planning/index.ts';

/** Every kind of resource. A change of what releases rest on wakes the releases under way: they decide anew. */
export function tidegateKinds(queue: Pick<Queue, 'wake'>): Kinds {
  const wake = async (tx: Transaction): Promise<void> => queue.wake(tx, await listRunsUnderWay(tx));
  const waking = <Spec>(kind: ResourceKind<Spec>): ResourceKind => ({ ...kind, changed: wake });
  return kindsOf([waking(applicationKind), waking(environmentKind), pipelineKind, waking(freezeKind), principalKind, roleKind]);
}
