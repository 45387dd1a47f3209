import { z } from 'zod';
import { assertStrict, inputSchemaOf } from '../json-schema.ts';
import type { JsonSchema } from '../json-schema.ts';
import { Labels, ResourceName, apiVersion } from './resource.ts';
import type { Kinds, ResourceKind } from './resource.ts';

/** Registers kinds by name. Refuses at wiring two of one name, and a spec that would drop fields it does not know. */
export function kindsOf(kinds: readonly ResourceKind[]): Kinds {
  const registry = new Map<string, ResourceKind>();
  for (const kind of kinds) {
    if (registry.has(kind.kind)) throw new TypeError(`expected each kind once, got ${kind.kind} twice`);
    assertStrict(inputSchemaOf(kind.spec), `kind ${kind.kind}: spec`);
    registry.set(kind.kind, kind);
  }
  return registry;
}

/** JSON Schema (2020-12) of one kind's document, as editors want it. */
export function documentSchema(kind: ResourceKind): JsonSchema {
  const document = z.strictObject({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind.kind),
    metadata: z.strictObject({ name: ResourceName, labels: Labels.default({}) }),
    spec: kind.spec,
  });
  return { ...inputSchemaOf(document), title: kind.kind, description: kind.summary };
}

/** JSON Schema of any document: what a YAML file is checked against while it is written. */
export function anyDocumentSchema(kinds: Kinds): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Tidegate resource',
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: { kind: { enum: [...kinds.keys()] } },
    // if/then rather than oneOf: editors then tell what is wrong with this kind, not that no kind fits.
    allOf: [...kinds.values()].map((kind) =>
      // `then` is JSON Schema's word, and this object is never awaited.
      // eslint-disable-next-line unicorn/no-thenable
      ({ if: { properties: { kind: { const: kind.kind } }, required: ['kind'] }, then: withoutDialect(documentSchema(kind)) }),
    ),
  };
}

function withoutDialect({ $schema: _dialect, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
