import { z } from 'zod';
import type { Path } from './schema-fault.ts';

/** The part of JSON Schema 2020-12 that zod emits and we read. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

/** JSON Schema of what may be sent in: fields with defaults are optional, unknown fields are shown as refused. */
export function inputSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any', reused: 'inline' }) as JsonSchema;
}

/** Throws when some object of an input would drop fields it does not know: a misspelt field must be refused, not ignored. */
export function assertStrict(schema: JsonSchema, where: string): void {
  if (schema.properties !== undefined && schema.additionalProperties === undefined) {
    throw new TypeError(`${where}: expected z.strictObject (unknown fields are refused), got an object that drops them`);
  }
  for (const [step, inner] of branchesOf(schema)) assertStrict(inner, `${where}/${step}`);
}

function branchesOf(schema: JsonSchema): readonly (readonly [string, JsonSchema])[] {
  const lists = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? []), ...(schema.prefixItems ?? [])];
  const single = [schema.items, typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined];
  return [
    ...Object.entries(schema.properties ?? {}),
    ...lists.map((inner) => ['', inner] as const),
    ...single.flatMap((inner) => (inner === undefined ? [] : [['*', inner] as const])),
  ];
}

/** Names of the fields known at a path, over all alternatives there: what "did you mean" chooses from. */
export function fieldsAt(schema: JsonSchema, path: Path): readonly string[] {
  const reached = path.reduce<readonly JsonSchema[]>((at, step) => at.flatMap((one) => stepInto(one, step)), [schema]);
  return [...new Set(reached.flatMap((one) => alternativesOf(one)).flatMap((one) => Object.keys(one.properties ?? {})))];
}

function stepInto(schema: JsonSchema, step: string | number): readonly JsonSchema[] {
  return alternativesOf(schema).flatMap((one) => {
    const additional = typeof one.additionalProperties === 'object' ? one.additionalProperties : undefined;
    const inner = typeof step === 'number' ? (one.prefixItems?.[step] ?? one.items) : (one.properties?.[step] ?? additional);
    return inner === undefined ? [] : [inner];
  });
}

function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return inner.length === 0 ? [schema] : [schema, ...inner.flatMap(alternativesOf)];
}
