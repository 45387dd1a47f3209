import { Composer, Lexer, LineCounter, Parser, isMap, isPair, isScalar, isSeq, visit } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { maximumFaults } from '../fault.ts';
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
/**
 * Words and signs in all files of one apply. The YAML reader takes about 20 µs for each and does not stop in between, so
 * this bounds how long one request can hold the process. Ours have about 30 to a resource.
 */
export const maximumLexemes = 100_000;
/** Anchors may be used, bombs may not: this many alias expansions in one document. */
const maximumAliases = 100;

/** Splits a file into documents. Faults have line and column; a document with a fault is left out. */
export function readYaml(
  file: ResourceFile,
  budget: number = maximumLexemes,
): { readonly documents: readonly YamlDocument[]; readonly faults: readonly FaultItem[]; readonly lexemes: number } {
  const lines = new LineCounter();
  const { lexemes, deep } = measure(file.text, budget);
  if (lexemes > budget)
    return {
      documents: [],
      lexemes,
      faults: [
        { file: file.name, code: 'yaml.too-many', detail: `expected at most ${maximumLexemes} words and signs in all files, got more` },
      ],
    };
  if (deep !== undefined) {
    countLines(file.text.slice(0, deep), lines);
    return {
      lexemes,
      documents: [],
      faults: [faultAt(file, lines, { offset: deep, code: 'yaml.too-deep', detail: `expected at most ${maximumDepth} levels, got more` })],
    };
  }
  const composer = new Composer({ version: '1.2', schema: 'core', strict: true, uniqueKeys: false, merge: false, logLevel: 'silent' });
  const documents: YamlDocument[] = [];
  const faults: FaultItem[] = [];
  let count = 0;
  for (const document of composer.compose(new Parser(lines.addNewLine).parse(file.text), false, file.text.length)) {
    count += 1;
    if (count > maximumDocuments) {
      faults.push(
        faultAt(file, lines, {
          offset: document.range[0],
          code: 'yaml.too-many',
          detail: `expected at most ${maximumDocuments} documents in a file, got more`,
        }),
      );
      break;
    }
    const broken = [...document.errors, ...document.warnings, ...repeatedKeys(document)].slice(0, maximumFaults);
    for (const error of broken) faults.push(faultAt(file, lines, { offset: error.pos[0], code: 'yaml.malformed', detail: error.message }));
    if (broken.length === 0 && document.contents !== null) addDocument({ file, lines, document, documents, faults });
  }
  return { documents, faults, lexemes };
}

function countLines(text: string, lines: LineCounter): void {
  for (let at = -1; ;) {
    lines.addNewLine(at + 1);
    at = text.indexOf('\n', at + 1);
    if (at === -1) return;
  }
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

interface Repeated {
  readonly pos: readonly [number];
  readonly message: string;
}

/** The library compares each key with each other one: a map of 50,000 keys would take it minutes. */
function repeatedKeys(document: Document.Parsed): readonly Repeated[] {
  const found: Repeated[] = [];
  visit(document, {
    Map: (_key, map) => {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : undefined;
        if (name !== undefined && seen.has(name)) found.push({ pos: [startOf(key) ?? 0], message: 'Map keys must be unique' });
        seen.add(name);
      }
    },
  });
  return found;
}

/**
 * How much there is, and where the nesting passes the limit. Read from lexemes, before a tree exists: 1 MiB of `[` costs
 * the parser seconds and the composer its stack. Levels by indentation alone need a square of characters, so 1 MiB has few.
 */
function measure(text: string, budget: number): { readonly lexemes: number; readonly deep?: number } {
  let lexemes = 0;
  let offset = 0;
  let flow = 0;
  let line = 0;
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexeme === '[' || lexeme === '{') flow += 1;
    else if (lexeme === ']' || lexeme === '}') flow = Math.max(0, flow - 1);
    else if (lexeme === '-' || lexeme === '?') line += 1;
    else if (lexeme.includes('\n')) line = 0;
    if (flow + line > maximumDepth) return { lexemes, deep: offset };
    if (lexemes > budget) return { lexemes };
    // The lexer's own marks of document, end of flow and scalar are no part of the text.
    if (!marks.has(lexeme)) offset += lexeme.length;
  }
  return { lexemes };
}

const marks: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f']);
