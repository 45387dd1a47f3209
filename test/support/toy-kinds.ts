import { z } from 'zod';
import { principalKind, roleKind } from '../../src/platform/identity/index.ts';
import { ResourceName, kindsOf } from '../../src/platform/resources/index.ts';
import type { ResourceChange, ResourceKind } from '../../src/platform/resources/index.ts';

const ToySpec = z.strictObject({
  version: z.string(),
  colour: z.enum(['red', 'green']).default('red'),
  parts: z.array(z.strictObject({ name: z.string(), weight: z.number().min(0).max(100) })).default([]),
  box: ResourceName.optional(),
});
type ToySpec = z.infer<typeof ToySpec>;

/** What the hook of the toy kind was called with; `refuse` makes it throw. */
export const toyChanges: ResourceChange<ToySpec>[] = [];

export const toyKind: ResourceKind<ToySpec> = {
  kind: 'Toy',
  summary: 'A toy, with a reference to its box',
  spec: ToySpec,
  check: ({ spec }, lookup) =>
    spec.box === undefined || lookup('Box', spec.box)
      ? []
      : [{ pointer: '/spec/box', code: 'toy.box-unknown', detail: `expected the name of a Box, got "${spec.box}"` }],
  changed: async (_tx, change) => {
    if (change.name === 'refused') throw new Error('the hook refuses');
    toyChanges.push(change);
  },
};

export const boxKind: ResourceKind<{ readonly size: number }> = {
  kind: 'Box',
  summary: 'A box; changing one takes the permission to declare freezes',
  spec: z.strictObject({ size: z.number() }),
  permission: 'freeze.declare',
};

/** Toys and boxes, with the kinds of the platform. */
export const toyKinds = kindsOf([toyKind, boxKind, principalKind, roleKind]);
