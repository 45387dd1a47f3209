import { z } from 'zod';
import type { Database } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Route } from '../platform/http/index.ts';
import { read, write } from '../platform/http/index.ts';
import { deleteResource, saveResource } from '../platform/resources/apply.store.ts';
import type { Kinds } from '../platform/resources/index.ts';
import { ResourceName, findResource, listResources, lockResources } from '../platform/resources/index.ts';
import { Freeze, isActive, nextOpening } from './freeze.ts';

export interface FreezeDeps {
  readonly db: Database;
  readonly kinds: Kinds;
}

const NewFreeze = z.strictObject({ name: ResourceName, spec: Freeze });
const FreezeView = z.object({
  name: z.string(),
  from: z.string(),
  to: z.string(),
  environments: z.array(z.string()),
  applications: z.array(z.string()),
  reason: z.string(),
  active: z.boolean(),
  version: z.number(),
});

/** Freezes without the right to apply everything else: who answers for operations declares them. */
export function freezeRoutes(deps: FreezeDeps): readonly Route[] {
  return [listRoute(deps), declareRoute(deps), liftRoute(deps), openingRoute(deps)];
}

function listRoute({ db }: FreezeDeps): Route {
  return read({
    path: '/api/v1/freezes',
    operation: 'listFreezes',
    access: 'freeze.read',
    summary: 'Freezes, by name',
    result: z.object({ items: z.array(FreezeView) }),
    handle: async ({ at }) => ({
      body: { items: (await listResources(db, 'Freeze')).map((r) => viewOf(r.name, Freeze.parse(r.spec), r.version, at)) },
    }),
  });
}

function declareRoute({ kinds }: FreezeDeps): Route {
  return write({
    method: 'POST',
    path: '/api/v1/freezes',
    operation: 'declareFreeze',
    access: 'freeze.declare',
    summary: 'Declare a freeze, or change one of that name',
    body: NewFreeze,
    result: FreezeView,
    status: 201,
    handle: async ({ body: { name, spec }, principal, at }, tx) => {
      if (Date.parse(spec.to) <= at.getTime())
        throw new Fault({
          code: 'freeze.past',
          status: 422,
          message: `expected a freeze that ends in the future, got ${spec.to}`,
          remedy: 'Correct the year or the zone.',
          faults: [{ pointer: '/spec/to', detail: 'expected a time to come' }],
        });
      await lockResources(tx, 'write');
      const before = await findResource(tx, 'Freeze', name);
      await saveResource(tx, { after: { kind: 'Freeze', name, labels: before?.labels ?? {}, spec }, before, principal, at }, kinds);
      return { body: viewOf(name, spec, (before?.version ?? 0) + 1, at), location: `/api/v1/freezes/${name}` };
    },
  });
}

function liftRoute({ kinds }: FreezeDeps): Route {
  return write({
    method: 'DELETE',
    path: '/api/v1/freezes/:name',
    operation: 'liftFreeze',
    access: 'freeze.declare',
    summary: 'Lift a freeze before its end',
    params: z.strictObject({ name: ResourceName }),
    ifMatch: 'optional',
    handle: async ({ params: { name }, ifMatch, principal, at }, tx) => {
      await deleteResource(tx, { kind: 'Freeze', name, ifMatch, principal, at }, kinds);
      return { body: undefined };
    },
  });
}

function openingRoute({ db }: FreezeDeps): Route {
  return read({
    path: '/api/v1/freezes/opening',
    operation: 'readNextOpening',
    access: 'freeze.read',
    summary: 'The next instant at which no freeze holds an application’s environment',
    query: z.strictObject({ application: z.string().max(63), environment: z.string().max(63) }),
    result: z.object({ nextOpening: z.iso.datetime() }),
    handle: async ({ query, at }) => {
      const freezes = (await listResources(db, 'Freeze')).map((r) => Freeze.parse(r.spec));
      return { body: { nextOpening: nextOpening(freezes, query, at).toISOString() } };
    },
  });
}

function viewOf(name: string, spec: Freeze, version: number, at: Date): z.infer<typeof FreezeView> {
  const { from, to, environments, applications, reason } = spec;
  return { name, from, to, environments, applications, reason, active: isActive(spec, at), version };
}
