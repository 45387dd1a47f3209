import { z } from 'zod';
import type { Route } from '../../environments/router.port.ts';

const laneName = z.string().regex(/^[a-z0-9][\w.-]{0,99}\/[a-z0-9][\w.-]{0,99}$/i, 'expected application/environment');

const FenceInput = z.strictObject({ lane: laneName, token: z.int().nonnegative() });

const ArmInput = z.strictObject({
  deployment: z.string().regex(/^[\w.:@/-]{1,200}$/, 'expected a deployment id of letters, digits and . : @ / _ -'),
  /** Goes into a response header: nothing that could end the line. */
  version: z.string().regex(/^[\w.+-]{1,100}$/, 'expected a version of letters, digits and . + _ -'),
  upstream: z.string().refine(isPlainOrigin, 'expected http://HOST:PORT without path, query or credentials'),
  weight: z.number().min(0).max(100),
});

const RouteInput = z
  .strictObject({ lane: laneName, port: z.int().min(1).max(65_535), arms: z.array(ArmInput).min(1).max(16) })
  .refine((route) => Math.abs(sumOfWeights(route.arms) - 100) < 0.01, { path: ['arms'], error: 'expected weights that add up to 100' })
  .refine((route) => new Set(route.arms.map((arm) => arm.deployment)).size === route.arms.length, {
    path: ['arms'],
    error: 'expected each deployment once',
  });

const CursorInput = z.strictObject({ epoch: z.string().max(100), sequence: z.int() });

export const inputs = {
  setRoute: z.strictObject({ route: RouteInput, fence: FenceInput }),
  findRoute: z.strictObject({ lane: laneName }),
  removeRoute: z.strictObject({ lane: laneName, fence: FenceInput }),
  readCounts: z.strictObject({ lane: laneName, after: CursorInput.optional() }),
};

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
