import type { ArmBatch, Batch } from './batch.ts';

/** One batch and the generation of the weights it was served under: it rises with each change of the weights. */
export interface GenerationBatch {
  readonly generation: number;
  readonly batch: Batch;
}

function addArms(a: ArmBatch, b: ArmBatch): ArmBatch {
  const sum = { requests: a.requests + b.requests, errors: a.errors + b.errors };
  if (a.failedRequests === undefined && b.failedRequests === undefined) return sum;
  return { ...sum, failedRequests: (a.failedRequests ?? a.errors) + (b.failedRequests ?? b.errors) };
}

function addBatches(a: Batch, b: Batch): Batch {
  const canary = [...(a.latency?.canary ?? []), ...(b.latency?.canary ?? [])];
  const stable = [...(a.latency?.stable ?? []), ...(b.latency?.stable ?? [])];
  return {
    second: a.second,
    ...(a.expectedShare === undefined ? {} : { expectedShare: a.expectedShare }),
    canary: addArms(a.canary, b.canary),
    stable: addArms(a.stable, b.stable),
    ...(a.baseline && b.baseline ? { baseline: addArms(a.baseline, b.baseline) } : {}),
    ...(a.latency || b.latency ? { latency: { canary, stable } } : {}),
  };
}

/**
 * Pools batches into longer ones of `seconds`, but never over a change of the weights: a batch that mixes two weights has a share
 * that neither half was served under, and a common incident in one half looks like a difference between the arms. Batches come
 * in order of time. Metrics and segments are not pooled: judge such batches one by one.
 */
export function poolBatches(parts: readonly GenerationBatch[], seconds: number): readonly Batch[] {
  const pooled: Batch[] = [];
  let last: GenerationBatch | undefined;
  for (const part of parts) {
    const together =
      last?.generation === part.generation && Math.floor(last.batch.second / seconds) === Math.floor(part.batch.second / seconds);
    last = last && together ? { generation: part.generation, batch: addBatches(last.batch, part.batch) } : part;
    if (together) pooled.pop();
    pooled.push(last.batch);
  }
  return pooled;
}
