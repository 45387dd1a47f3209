import type { FaultItem } from '../platform/fault.ts';
import type { Lookup, Resource, ResourceKind } from '../platform/resources/index.ts';
import { Pipeline } from './pipeline.ts';

export const pipelineKind: ResourceKind<Pipeline> = {
  kind: 'Pipeline',
  summary: 'How an application’s releases travel, and when they turn back',
  spec: Pipeline,
  check: checkPipeline,
};

/** A pipeline is found by its application's name; what it names must exist, or the release would wait for nobody. */
function checkPipeline({ name, spec }: Resource<Pipeline>, lookup: Lookup): readonly FaultItem[] {
  const { application } = spec;
  return [
    ...(name === application
      ? []
      : [
          {
            pointer: '/metadata/name',
            code: 'pipeline.name',
            detail: `expected the name of its application, "${application}", got "${name}": an application has one pipeline`,
          },
        ]),
    ...(lookup('Application', application)
      ? []
      : [
          {
            pointer: '/spec/application',
            code: 'pipeline.application-unknown',
            detail: `expected the name of an Application, got "${application}"`,
          },
        ]),
    ...spec.stages.flatMap((stage, i) => [
      ...checkEnvironment(stage.environment, application, { pointer: `/spec/stages/${i}/environment`, lookup }),
      ...checkRoles(stage.gates, `/spec/stages/${i}/gates`, lookup),
    ]),
  ];
}

function checkEnvironment(
  environment: string,
  application: string,
  { pointer, lookup }: { readonly pointer: string; readonly lookup: Lookup },
): readonly FaultItem[] {
  const found = lookup('Environment', environment);
  if (!found)
    return [{ pointer, code: 'pipeline.environment-unknown', detail: `expected the name of an Environment, got "${environment}"` }];
  const applications = (found.spec as { readonly applications?: Readonly<Record<string, unknown>> }).applications ?? {};
  return Object.hasOwn(applications, application)
    ? []
    : [
        {
          pointer,
          code: 'pipeline.environment-without-application',
          detail: `expected an Environment that takes ${application}, got "${environment}", which does not`,
        },
      ];
}

function checkRoles(gates: Pipeline['stages'][number]['gates'], pointer: string, lookup: Lookup): readonly FaultItem[] {
  return gates.flatMap((gate, i) =>
    Object.entries(gate.roles).flatMap(([role, count]) => {
      const members = (lookup('Role', role)?.spec as { readonly members?: readonly string[] } | undefined)?.members;
      if (members === undefined)
        return [
          { pointer: `${pointer}/${i}/roles/${role}`, code: 'pipeline.role-unknown', detail: `expected the name of a Role, got "${role}"` },
        ];
      return members.length >= count
        ? []
        : [
            {
              pointer: `${pointer}/${i}/roles/${role}`,
              code: 'pipeline.role-too-small',
              detail: `expected a Role with at least ${count} member(s), got "${role}" with ${members.length}: this gate could never open`,
            },
          ];
    }),
  );
}
