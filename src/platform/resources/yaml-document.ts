import { Composer, LineCounter, Parser, isMap, isPair, isScalar, isSeq } from 'yaml';
import type { CST, Document, Node, Pair } from 'yaml';
import type { FaultItem } from '../fault.ts';
import type { Path } from '../schema-fault.ts';

/** A file as it was handed in. */
export interface ResourceFile {
  /** As the sender calls it; only repeated in faults, never opened. */
  readonly name: string;
  readonly text: string;
}

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One YAML document, as plain data that still knows where each part stands. */
export interface YamlDocument {
  readonly value: unknown;
  /** Where the value at a path stands; with `key`, where its name stands. The nearest place above when it is absent. */
  place(path: Path, key?: 'key'): Place;
}

/** Nested deeper than this nothing of ours is; the composer recurses, so the limit also keeps its stack. */
const maximumDepth = 64;
const maximumDocuments = 1_000;
/** Anchors may be used, bombs may not: this many alias expansions in one document. */
const maximumAliases = 100;

/** Splits a file into documents. Faults have line and column; a document with a fault is left out. */
export function readYaml(file: ResourceFile): { readonly documents: readonly YamlDocument[]; readonly faults: readonly FaultItem[] } {
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(file.text)];
  const deep = tooDeep(tokens);
  if (deep !== undefined)
    return {
      documents: [],
      faults: [faultAt(file, lines, { offset: deep, code: 'yaml.too-deep', detail: `expected at most ${maximumDepth} levels, got more` })],
    };

  const composed = [
    ...new Composer({ version: '1.2', schema: 'core', strict: true, uniqueKeys: true, merge: false, logLevel: 'silent' }).compose(
      tokens,
      false,
      file.text.length,
    ),
  ];
  if (composed.length > maximumDocuments) {
    return {
      documents: [],
      faults: [
        faultAt(file, lines, {
          offset: 0,
          code: 'yaml.too-many',
          detail: `expected at most ${maximumDocuments} documents, got ${composed.length}`,
        }),
      ],
    };
  }
  const documents: YamlDocument[] = [];
  const faults: FaultItem[] = [];
  for (const document of composed) {
    const found = [...document.errors, ...document.warnings].map((error) =>
      faultAt(file, lines, { offset: error.pos[0], code: 'yaml.malformed', detail: error.message }),
    );
    if (found.length > 0) faults.push(...found);
    else if (document.contents !== null) addDocument({ file, lines, document, documents, faults });
  }
  return { documents, faults };
}

interface Adding {
  readonly file: ResourceFile;
  readonly lines: LineCounter;
  readonly document: Document.Parsed;
  readonly documents: YamlDocument[];
  readonly faults: FaultItem[];
}

function addDocument({ file, lines, document, documents, faults }: Adding): void {
  try {
    const value: unknown = document.toJS({ maxAliasCount: maximumAliases });
    // An empty document (only comments) says nothing.
    if (value === null) return;
    documents.push({ value, place: (path, key) => placeOf(file, lines, offsetOf(document, path, key === 'key')) });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    faults.push(
      faultAt(file, lines, {
        offset: document.range[0],
        code: 'yaml.aliases',
        detail: `expected at most ${maximumAliases} alias expansions, got more (${error.message})`,
      }),
    );
  }
}

function placeOf(file: ResourceFile, lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(Math.min(offset, file.text.length));
  return { file: file.name, line: Math.max(line, 1), column: Math.max(col, 1) };
}

function faultAt(
  file: ResourceFile,
  lines: LineCounter,
  fault: { readonly offset: number; readonly code: string; readonly detail: string },
): FaultItem {
  return { ...placeOf(file, lines, fault.offset), code: fault.code, detail: fault.detail };
}

function offsetOf(document: Document.Parsed, path: Path, key: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const pair = pairOf(node, step);
    const next = isPair(pair) ? pair.value : pair;
    if (pair === undefined) return offset;
    const last = index === path.length - 1;
    offset =
      (last && key && isPair(pair) ? startOf(pair.key) : undefined) ??
      startOf(next) ??
      (isPair(pair) ? startOf(pair.key) : undefined) ??
      offset;
    node = next;
  }
  return offset;
}

function pairOf(node: unknown, step: string | number): Pair | Node | undefined {
  if (isMap(node)) return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(step));
  return isSeq(node) && typeof step === 'number' ? (node.items[step] as Node | undefined) : undefined;
}

function startOf(node: unknown): number | undefined {
  return (node as { readonly range?: readonly [number, number, number] | null } | null | undefined)?.range?.[0];
}

/** Offset of the first token below the limit. Iterative: the input chooses the depth. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const open: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > maximumDepth) return token.offset;
    for (const inner of innerTokens(token)) open.push({ token: inner, depth: depth + (token.type === 'document' ? 0 : 1) });
  }
  return undefined;
}

function innerTokens(token: CST.Token): readonly CST.Token[] {
  const items = 'items' in token ? token.items.flatMap((item) => [item.key, item.value]) : [];
  const value = token.type === 'document' ? [token.value] : [];
  return [...items, ...value].filter((inner) => inner !== undefined && inner !== null);
}
