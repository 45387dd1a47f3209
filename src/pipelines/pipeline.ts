import { z } from 'zod';
import { HealthCheck } from '../validation/index.ts';

const ApprovalGate = z.strictObject({
  kind: z.literal('approval'),
  roles: z
    .record(z.string().min(1).max(63), z.number().int().min(1).max(20))
    .refine((roles) => Object.keys(roles).length > 0, 'expected at least one role: a gate nobody must pass is none'),
  expiresHours: z
    .number()
    .min(0.01)
    .max(24 * 365)
    .default(72),
});
export type ApprovalGate = z.infer<typeof ApprovalGate>;

const CanaryStep = z.strictObject({ weight: z.number().min(0.1).max(100) });

const Strategy = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all-at-once') }),
  z.strictObject({ kind: z.literal('canary'), steps: z.array(CanaryStep).min(2).max(50) }),
]);
export type Strategy = z.infer<typeof Strategy>;

/** One hop on the way to production. Freezes hold every stage in their scope; they need no gate entry. */
const Stage = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a lower-case name'),
  environment: z.string().min(1).max(63),
  gates: z.array(ApprovalGate).max(1, 'expected one approval gate; name all its roles in it').default([]),
  strategy: Strategy,
  healthCheck: HealthCheck,
  /** How long the version must stay healthy with all traffic before the stage counts as passed. */
  soakSeconds: z
    .number()
    .min(0)
    .max(7 * 86_400)
    .default(0),
});
export type Stage = z.infer<typeof Stage>;

/**
 * When a rollout is taken back, agreed when it is planned. `alpha` bounds the chance of a false rollback over the whole
 * rollout, `beta` the chance that a canary as bad as `nonInferiorityRatio` passes early.
 */
const RollbackCriterion = z
  .strictObject({
    name: z.string().min(1).max(63),
    metric: z.literal('error-rate'),
    trigger: z.literal('automatic').default('automatic'),
    method: z
      .enum(['a1', 'a3', 'a4'])
      .default('a1')
      .describe('How errors are judged: a1 the mixture, a3 with restarts for harm that begins late, a4 the quickest of both'),
    owner: z.string().min(1).max(63).describe('Role or person accountable for this criterion'),
    alpha: z.number().gt(0).lt(1).default(0.01),
    toleratedRatio: z.number().min(1).max(100).default(1),
    nonInferiorityRatio: z.number().gt(1).max(100).default(2),
    beta: z.number().gt(0).lt(1).default(0.05),
    minimumSeconds: z.number().int().min(0).max(86_400).default(10),
    deadlineSeconds: z
      .number()
      .int()
      .min(1)
      .max(7 * 86_400)
      .default(3600)
      .describe('A step without a verdict after this time is inconclusive'),
    onInconclusive: z.enum(['rollback', 'hold']).default('rollback'),
  })
  .refine((c) => c.toleratedRatio < c.nonInferiorityRatio, {
    path: ['toleratedRatio'],
    message: 'expected less than nonInferiorityRatio: what is tolerated must be better than what is refused',
  })
  .refine((c) => c.minimumSeconds < c.deadlineSeconds, { path: ['deadlineSeconds'], message: 'expected more than minimumSeconds' });
export type RollbackCriterion = z.infer<typeof RollbackCriterion>;

/** How an application's releases travel: stages in order, and when a rollout is taken back. */
export const Pipeline = z
  .strictObject({
    application: z.string().min(1).max(63),
    stages: z.array(Stage).min(1).max(20),
    rollback: z.strictObject({
      criteria: z
        .array(RollbackCriterion)
        .min(1, 'expected at least one rollback criterion: a pipeline says beforehand when it turns back')
        .max(1, 'expected one criterion; several metrics come later'),
    }),
  })
  .superRefine((pipeline, context) => {
    for (const fault of pipelineFaults(pipeline)) context.addIssue({ code: 'custom', path: [...fault.path], message: fault.message });
  });
export type Pipeline = z.infer<typeof Pipeline>;

interface PipelineFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What no single field can say: names used twice, weights that do not rise or do not end at 100. */
function pipelineFaults(pipeline: { readonly stages: readonly Stage[] }): readonly PipelineFault[] {
  return pipeline.stages.flatMap((stage, index) => [
    ...repeated(pipeline.stages, index, 'name'),
    ...repeated(pipeline.stages, index, 'environment'),
    ...(stage.strategy.kind === 'canary' ? weightFaults(stage.strategy.steps, index) : []),
  ]);
}

function repeated(stages: readonly Stage[], index: number, field: 'name' | 'environment'): readonly PipelineFault[] {
  const first = stages.findIndex((s) => s[field] === stages[index]?.[field]);
  return first === index
    ? []
    : [{ path: ['stages', index, field], message: `expected every stage to have its own ${field}, got the one of stage ${first}` }];
}

function weightFaults(steps: readonly { readonly weight: number }[], stage: number): readonly PipelineFault[] {
  const path = (step: number) => ['stages', stage, 'strategy', 'steps', step, 'weight'];
  const rising = steps.flatMap((step, i) => {
    const before = steps[i - 1]?.weight ?? 0;
    return step.weight > before ? [] : [{ path: path(i), message: `expected weights that rise, got ${step.weight} after ${before}` }];
  });
  const last = steps.at(-1)?.weight;
  return last === 100 ? rising : [...rising, { path: path(steps.length - 1), message: `expected the last weight to be 100, got ${last}` }];
}
