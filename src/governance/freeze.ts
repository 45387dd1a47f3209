import { z } from 'zod';
import type { Decision } from '../platform/decision.ts';
import { allow, deny } from '../platform/decision.ts';

const names = z.array(z.string().min(1).max(63)).max(200);

/** A change freeze: nothing in its scope is deployed between `from` (included) and `to` (excluded). Rollbacks always pass. */
export const Freeze = z
  .strictObject({
    from: z.iso.datetime({ offset: true }),
    to: z.iso.datetime({ offset: true }),
    environments: names.default([]).describe('Empty: every environment'),
    applications: names.default([]).describe('Empty: every application'),
    reason: z.string().min(3).max(1000),
  })
  .refine((f) => Date.parse(f.from) < Date.parse(f.to), {
    path: ['to'],
    message: 'expected a time after `from`: a freeze of zero or negative length holds nothing',
  });
export type Freeze = z.infer<typeof Freeze>;

export interface NamedFreeze extends Freeze {
  readonly name: string;
}

export interface FreezeScope {
  readonly application: string;
  readonly environment: string;
}

function covers(freeze: Freeze, scope: FreezeScope): boolean {
  return (
    (freeze.environments.length === 0 || freeze.environments.includes(scope.environment)) &&
    (freeze.applications.length === 0 || freeze.applications.includes(scope.application))
  );
}

export function isActive(freeze: Freeze, at: Date): boolean {
  return Date.parse(freeze.from) <= at.getTime() && at.getTime() < Date.parse(freeze.to);
}

/** The first instant from `at` on that no freeze of this scope covers: overlapping and touching freezes are followed through. */
export function nextOpening(freezes: readonly Freeze[], scope: FreezeScope, at: Date): Date {
  const mine = freezes.filter((f) => covers(f, scope));
  let opening = at;
  for (;;) {
    const holding = mine.filter((f) => isActive(f, opening));
    if (holding.length === 0) return opening;
    opening = new Date(Math.max(...holding.map((f) => Date.parse(f.to))));
  }
}

export function decideFreeze(freezes: readonly NamedFreeze[], scope: FreezeScope, now: Date): Decision {
  const holding = freezes.filter((f) => covers(f, scope) && isActive(f, now));
  const [first] = holding;
  if (!first) return allow({ code: 'freeze.none', sentence: `No freeze holds ${scope.environment}.` });
  const opening = nextOpening(freezes, scope, now);
  return deny(
    {
      code: 'freeze.active',
      sentence: `${scope.environment} is frozen by ${holding.map((f) => `${f.name} (${f.reason})`).join(', ')} until ${opening.toISOString()}.`,
      remedy: `Wait for the next opening at ${opening.toISOString()}; it goes on by itself then.`,
      evidence: { freezes: holding.map((f) => ({ name: f.name, from: f.from, to: f.to })), nextOpening: opening.toISOString() },
    },
    opening,
  );
}
