import { z } from 'zod';
import type { Route } from '../../environments/router.port.ts';
import { Fault } from '../../platform/fault.ts';

const laneName = z.string().regex(/^[a-z0-9][\w.-]{0,99}\/[a-z0-9][\w.-]{0,99}$/i, 'expected application/environment');

export const FenceInput = z.strictObject({ lane: laneName, token: z.int().nonnegative() });

const ArmInput = z.strictObject({
  deployment: z.string().regex(/^[\w.:@/-]{1,200}$/, 'expected a deployment id of letters, digits and . : @ / _ -'),
  /** Goes into a response header: nothing that could end the line. */
  version: z.string().regex(/^[\w.+-]{1,100}$/, 'expected a version of letters, digits and . + _ -'),
  upstream: z.string().refine(isPlainOrigin, 'expected http://HOST:PORT without path, query or credentials'),
  weight: z.number().min(0).max(100),
});

export const RouteInput = z
  .strictObject({ lane: laneName, port: z.int().min(1).max(65_535), arms: z.array(ArmInput).min(1).max(16) })
  .refine((route) => Math.abs(sumOfWeights(route.arms) - 100) < 0.01, { path: ['arms'], error: 'expected weights that add up to 100' })
  .refine((route) => new Set(route.arms.map((arm) => arm.deployment)).size === route.arms.length, {
    path: ['arms'],
    error: 'expected each deployment once',
  });

export const CursorInput = z.strictObject({ epoch: z.string().max(100), sequence: z.int() });

export const inputs = {
  setRoute: z.strictObject({ route: RouteInput, fence: FenceInput }),
  findRoute: z.strictObject({ lane: laneName }),
  removeRoute: z.strictObject({ lane: laneName, fence: FenceInput }),
  readCounts: z.strictObject({ lane: laneName, after: CursorInput.optional() }),
};

export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new Fault({
    code: 'router.bad-input',
    status: 422,
    message: `expected a valid call, got ${parsed.error.issues.length} fault(s): ${parsed.error.issues.map((issue) => issue.message).join('; ')}`,
    faults: parsed.error.issues.map((issue) => ({ pointer: `/${issue.path.join('/')}`, detail: issue.message })),
  });
}

/** Equal arms and weights, whatever their order: such a route keeps its generation. */
export function hasEqualArms(a: Route, b: Route): boolean {
  return armsKey(a) === armsKey(b);
}

function armsKey(route: Route): string {
  const arms = route.arms.map(({ deployment, version, upstream, weight }) => JSON.stringify([deployment, version, upstream, weight]));
  return arms.toSorted().join('\n');
}

function sumOfWeights(arms: readonly { readonly weight: number }[]): number {
  return arms.reduce((sum, arm) => sum + arm.weight, 0);
}

function isPlainOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.protocol === 'http:' && (text === url.origin || text === `${url.origin}/`);
}

/** A caller whose lease was taken over must change nothing any more. */
export function requireFence(seen: number, token: number, lane: string): void {
  if (token >= seen) return;
  throw new Fault({
    code: 'lease.fenced',
    status: 409,
    message: `expected a fencing token of at least ${seen} for ${lane}, got ${token}`,
    remedy: 'Another worker holds this lane now; read the state anew.',
  });
}

export function requireSameLane(lane: string, fenceLane: string): void {
  if (lane === fenceLane) return;
  throw new Fault({ code: 'lease.other-lane', status: 422, message: `expected a fencing token of ${lane}, got one of ${fenceLane}` });
}
