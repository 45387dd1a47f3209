import type { FaultItem } from '../platform/fault.ts';
import type { Lookup, Resource, ResourceKind } from '../platform/resources/index.ts';
import { Environment } from './environment.ts';

export const environmentKind: ResourceKind<Environment> = {
  kind: 'Environment',
  summary: 'Where applications run and users meet them',
  spec: Environment,
  check: checkEnvironment,
};

function checkEnvironment({ spec }: Resource<Environment>, lookup: Lookup): readonly FaultItem[] {
  const names = Object.keys(spec.applications);
  const unknown = names.flatMap((name) =>
    lookup('Application', name)
      ? []
      : [
          {
            pointer: `/spec/applications/${name}`,
            code: 'environment.application-unknown',
            detail: `expected the name of an Application, got "${name}"`,
          },
        ],
  );
  const shared = names.flatMap((name, i) => {
    const other = names.slice(0, i).find((n) => spec.applications[n]?.port === spec.applications[name]?.port);
    return other === undefined
      ? []
      : [
          {
            pointer: `/spec/applications/${name}/port`,
            code: 'environment.port-taken',
            detail: `expected a port of its own, got the one of ${other}`,
          },
        ];
  });
  return [...unknown, ...shared];
}
