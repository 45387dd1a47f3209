import { z } from 'zod';
import { digestOfJson } from '../digest.ts';
import { Fault } from '../fault.ts';
import type { FaultItem } from '../fault.ts';
import { fieldsAt, inputSchemaOf } from '../json-schema.ts';
import type { JsonSchema } from '../json-schema.ts';
import { schemaFaults } from '../schema-fault.ts';
import type { Path, SchemaFault } from '../schema-fault.ts';
import { Labels, ResourceName, apiVersion } from './resource.ts';
import type { Kinds, Resource, ResourceKind } from './resource.ts';
import { maximumLexemes, readYaml } from './yaml-document.ts';
import type { Place, ResourceFile, YamlDocument } from './yaml-document.ts';

export type { ResourceFile } from './yaml-document.ts';

/** A resource of a file, with its spec's defaults filled in. */
export interface ParsedResource extends Resource {
  readonly digest: string;
  /** A fault found later (a cross reference, say), at the place it belongs to. */
  at(fault: FaultItem): FaultItem;
}

export interface Parsed {
  readonly resources: readonly ParsedResource[];
  /** Every fault of every file, in reading order. */
  readonly faults: readonly FaultItem[];
}

/** All files together, in characters. */
export const maximumText = 1024 * 1024;

/** SHA-256 over what counts of a resource: labels and spec. */
export function digestOfResource({ labels, spec }: Pick<Resource, 'labels' | 'spec'>): string {
  return digestOfJson({ labels, spec });
}

/** Files → resources and every fault at once, each with file, line, column and JSON pointer into its document. */
export function parseResources(files: readonly ResourceFile[], kinds: Kinds): Parsed {
  const size = files.reduce((sum, file) => sum + file.text.length, 0);
  if (size > maximumText)
    return {
      resources: [],
      faults: [{ code: 'yaml.too-large', detail: `expected at most ${maximumText} characters in all, got ${size}` }],
    };

  const resources: ParsedResource[] = [];
  const faults: FaultItem[] = [];
  const schemas = new Schemas(kinds);
  let budget = maximumLexemes;
  for (const file of files) {
    const read = readYaml(file, budget);
    budget -= Math.min(budget, read.lexemes);
    const parsed = read.documents.map((document) => parseDocument(document, schemas));
    for (const { resource } of parsed) if (resource !== undefined) resources.push(resource);
    const found = [...read.faults, ...parsed.flatMap((one) => one.faults)];
    for (const fault of found.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))) faults.push(fault);
  }
  return { resources, faults: [...faults, ...repeated(resources)] };
}

/** Throws 422 with all faults; the first is in the message. */
export function requireFaultless(faults: readonly FaultItem[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const place = first.line === undefined ? '' : `${first.file ?? 'file'}:${first.line}:${first.column ?? 1}: `;
  throw new Fault({
    code: 'resource.invalid',
    status: 422,
    message: `expected resources without faults, got ${faults.length === 1 ? 'one' : faults.length}: ${place}${first.detail}`,
    remedy: 'Correct the files; nothing was applied.',
    faults,
  });
}

/** The header of every document; the spec is checked by its kind. */
class Schemas {
  readonly #kinds: Kinds;
  readonly #shown = new Map<string, JsonSchema>();
  readonly header: z.ZodType;

  constructor(kinds: Kinds) {
    this.#kinds = kinds;
    this.header = z.strictObject({
      apiVersion: z.literal(apiVersion),
      kind: z.enum([...kinds.keys()]),
      metadata: z.strictObject({ name: ResourceName, labels: Labels.default({}) }),
      spec: z.unknown(),
    });
  }

  kind(name: unknown): ResourceKind | undefined {
    return typeof name === 'string' ? this.#kinds.get(name) : undefined;
  }

  fields(name: string, schema: z.ZodType): (path: Path) => readonly string[] {
    return (path) => {
      const shown = this.#shown.get(name) ?? inputSchemaOf(schema);
      this.#shown.set(name, shown);
      return fieldsAt(shown, path);
    };
  }
}

interface ParsedDocument {
  readonly resource?: ParsedResource;
  readonly faults: readonly FaultItem[];
}

function parseDocument(document: YamlDocument, schemas: Schemas): ParsedDocument {
  const header = schemas.header.safeParse(document.value);
  const faults = header.success ? [] : [...schemaFaults(header.error, document.value, schemas.fields('', schemas.header))];
  const raw = document.value as {
    readonly kind?: unknown;
    readonly spec?: unknown;
    readonly metadata?: { readonly name?: unknown };
  } | null;
  const kind = schemas.kind(raw?.kind);
  const spec = kind?.spec.safeParse(raw?.spec);
  if (kind !== undefined && spec?.success === false) {
    const found = schemaFaults(spec.error, raw?.spec, schemas.fields(kind.kind, kind.spec));
    for (const fault of found) faults.push({ ...fault, path: ['spec', ...fault.path], pointer: `/spec${fault.pointer}` });
  }
  if (!header.success || kind === undefined || spec?.success !== true) return { faults: faults.map((fault) => locate(document, fault)) };

  const { metadata } = header.data as { readonly metadata: { readonly name: string; readonly labels: Labels } };
  const resource = { kind: kind.kind, name: metadata.name, labels: metadata.labels, spec: spec.data };
  return {
    faults: [],
    resource: {
      ...resource,
      digest: digestOfResource(resource),
      at: (fault) => ({ ...document.place(pathOf(fault.pointer ?? '')), ...fault }),
    },
  };
}

function locate(document: YamlDocument, { path, ...fault }: SchemaFault): FaultItem {
  const place: Place = fault.code === 'field.unknown' ? document.place(path, 'key') : document.place(path);
  // YAML reads 1.10 as the number 1.1 and yes as a text: the sign of missing quotes is a number where a text belongs.
  const quotes = /^expected a text(?! of)[^,]*, got (?:-?\d|true|false)/.test(fault.detail) ? '; put it in quotes' : '';
  return { ...place, ...fault, detail: `${fault.detail}${quotes}` };
}

function pathOf(pointer: string): Path {
  const steps = pointer.split('/').slice(1);
  return steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step.replaceAll('~1', '/').replaceAll('~0', '~')));
}

function repeated(resources: readonly ParsedResource[]): readonly FaultItem[] {
  const seen = new Map<string, ParsedResource>();
  return resources.flatMap((resource) => {
    const key = `${resource.kind} ${resource.name}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, resource);
      return [];
    }
    const { file, line } = first.at({ pointer: '/metadata/name', detail: '' });
    return [
      resource.at({
        pointer: '/metadata/name',
        code: 'resource.repeated',
        detail: `expected each resource once, got ${key} again after ${file}:${line}`,
      }),
    ];
  });
}
