/**
 * Finds every stable code in the source: what stands in, or is led into, a property named `code`. Reads syntax only (a
 * program with types takes ten times as long), so the few codes that are put together from parts name their parts here.
 */
import { readFileSync, globSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './steps.ts';

export interface StableCode {
  readonly code: string;
  readonly file: string;
  readonly as: 'fault' | 'reason' | 'detail' | 'finding';
  /** HTTP statuses of a fault. */
  readonly statuses: readonly number[];
}

interface Hole {
  /** A type, a table or a property of this name: its words fill the hole. */
  readonly words: string;
  readonly in?: string;
  /** Words that never come here. */
  readonly except?: readonly string[];
}

const deploymentState: Hole = { words: 'DeploymentState', except: ['succeeded'] };
const holes: Readonly<Record<string, Hole>> = {
  '`token.${cause}`': { words: 'refusals', in: 'src/platform/identity/token.ts' },
  '`database.${kind}`': { words: 'faults', in: 'src/platform/database/faults.ts' },
  '`${processName}.bad-input`': { words: 'processName', except: ['platform'] },
  '`${options.processName}.timeout`': { words: 'processName' },
  '`${options.processName}.unreachable`': { words: 'processName' },
  '`deployment.${state}`': deploymentState,
  '`deployment.${stage.deployment.state}`': deploymentState,
  '`deployment.${deployment.state}`': deploymentState,
  '`release.${run.state}`': { words: 'RunState', except: ['active'] },
  '`run.${action.do}`': { words: 'do', except: ['wait'] },
  '`verdict.${verdict.kind}`': { words: 'kind', in: 'src/validation/judge/verdict.ts' },
};

const shape = /^(?:[a-z][a-z-]*\.[a-z][a-z-]*|internal)$/;

export interface Scan {
  readonly found: readonly StableCode[];
  /** Places where a code is made in a way this file cannot read. */
  readonly unread: readonly string[];
}

export function scanCodes(): Scan {
  const paths = globSync('src/**/*.ts', { cwd: root }).filter((path) => !/\.(test|contract|d)\.ts$/.test(path));
  return scanSources(new Map(paths.toSorted().map((path) => [path, readFileSync(join(root, path), 'utf8')])));
}

export function scanSources(texts: ReadonlyMap<string, string>): Scan {
  const sources = [...texts].map(([path, text]) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  const found: StableCode[] = [];
  const unread: string[] = [];
  for (const source of sources) {
    for (const property of nodesOf(source).filter(isCode)) {
      const origins = originsOf(property, sources);
      if (origins === undefined) unread.push(`${source.fileName}: ${property.getText()}`);
      for (const code of origins ?? []) found.push({ code, file: source.fileName, ...roleOf(property, code) });
    }
  }
  return { found, unread };
}

type CodeProperty = ts.PropertyAssignment | ts.ShorthandPropertyAssignment;

function isCode(node: ts.Node): node is CodeProperty {
  return (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) && node.name.getText() === 'code';
}

/** The codes that come from here; none for one that is only passed on; undefined when they cannot be read. */
function originsOf(property: CodeProperty, sources: readonly ts.SourceFile[]): readonly string[] | undefined {
  if (ts.isShorthandPropertyAssignment(property)) return argumentsFor(property, sources);
  return readExpression(property.initializer, sources);
}

function readExpression(node: ts.Expression, sources: readonly ts.SourceFile[]): readonly string[] | undefined {
  if (ts.isStringLiteral(node)) return shape.test(node.text) ? [node.text] : [];
  if (ts.isTemplateExpression(node)) return fillTemplate(node, sources);
  if (ts.isConditionalExpression(node)) return both(readExpression(node.whenTrue, sources), readExpression(node.whenFalse, sources));
  if (ts.isBinaryExpression(node)) return both(readExpression(node.left, sources), readExpression(node.right, sources));
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'code' ? [] : undefined;
  if (!ts.isCallExpression(node)) return undefined;
  // `z.string()`: a schema that describes codes.
  if (!ts.isIdentifier(node.expression)) return [];
  const name = node.expression.text;
  const maker = nodesOf(node.getSourceFile()).find((other) => ts.isFunctionDeclaration(other) && other.name?.text === name);
  return maker && stringsIn(maker).filter((text) => shape.test(text));
}

function both(left: readonly string[] | undefined, right: readonly string[] | undefined): readonly string[] | undefined {
  return left && right && [...left, ...right];
}

/** `{ code }` where `code` is a parameter: the literals the function is called with, wherever that is. */
function argumentsFor(property: ts.ShorthandPropertyAssignment, sources: readonly ts.SourceFile[]): readonly string[] {
  const owner = ts.findAncestor(property, ts.isFunctionDeclaration);
  const position = owner?.parameters.findIndex((parameter) => parameter.name.getText() === 'code') ?? -1;
  if (owner?.name === undefined || position < 0) return [];
  const name = owner.name.text;
  return sources.flatMap((source) =>
    nodesOf(source).flatMap((node) => {
      const argument = ts.isCallExpression(node) && node.expression.getText() === name ? node.arguments[position] : undefined;
      return argument && ts.isStringLiteral(argument) && shape.test(argument.text) ? [argument.text] : [];
    }),
  );
}

function fillTemplate(node: ts.TemplateExpression, sources: readonly ts.SourceFile[]): readonly string[] | undefined {
  const hole = holes[node.getText()];
  const [span] = node.templateSpans;
  if (!hole || !span) return undefined;
  const words = wordsOf(hole.words, hole.in === undefined ? sources : sources.filter(({ fileName }) => fileName === hole.in));
  const kept = words.filter((word) => !hole.except?.includes(word));
  return kept.length === 0 ? undefined : kept.map((word) => `${node.head.text}${word}${span.literal.text}`);
}

/** The words of a union type, the keys of a table, or the literals a property of that name is given. */
function wordsOf(name: string, sources: readonly ts.SourceFile[]): readonly string[] {
  const words = sources.flatMap((source) =>
    nodesOf(source).flatMap((node) => {
      if (!isNamed(node, name)) return [];
      if (ts.isTypeAliasDeclaration(node)) return stringsIn(node.type);
      if (ts.isPropertySignature(node) && node.type) return ts.isLiteralTypeNode(node.type) ? stringsIn(node.type) : [];
      if (ts.isPropertyAssignment(node)) return ts.isStringLiteral(node.initializer) ? [node.initializer.text] : [];
      return ts.isVariableDeclaration(node) ? keysOf(node) : [];
    }),
  );
  return [...new Set(words)].toSorted();
}

function isNamed(node: ts.Node, name: string): boolean {
  return (node as { readonly name?: ts.Node }).name?.getText() === name;
}

function keysOf(table: ts.VariableDeclaration): readonly string[] {
  const literal = nodesOf(table).find(ts.isObjectLiteralExpression);
  return (literal?.properties ?? []).flatMap(({ name }) =>
    name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? [name.text] : [],
  );
}

function stringsIn(node: ts.Node): readonly string[] {
  return nodesOf(node).flatMap((inner) => (ts.isStringLiteral(inner) ? [inner.text] : []));
}

const nodesOfSource = new WeakMap<ts.Node, readonly ts.Node[]>();

function nodesOf(node: ts.Node): readonly ts.Node[] {
  const known = nodesOfSource.get(node);
  if (known) return known;
  const nodes: ts.Node[] = [];
  const visit = (inner: ts.Node): void => {
    nodes.push(inner);
    ts.forEachChild(inner, visit);
  };
  visit(node);
  if (ts.isSourceFile(node)) nodesOfSource.set(node, nodes);
  return nodes;
}

/** A Fault has a message, a Reason a sentence, an item of `faults` a detail. */
function roleOf(property: CodeProperty, code: string): Pick<StableCode, 'as' | 'statuses'> {
  const source = property.getSourceFile();
  const siblings = new Map(property.parent.properties.map((sibling) => [sibling.name?.getText(), sibling]));
  if (siblings.has('detail') && !siblings.has('status')) return { as: 'detail', statuses: [] };
  if (source.fileName.includes('/ledger/verify')) return { as: 'finding', statuses: [] };
  if (siblings.has('sentence')) return { as: 'reason', statuses: [] };
  const status = siblings.get('status');
  if (status === undefined) return { as: 'fault', statuses: [500] };
  return { as: 'fault', statuses: numbersIn(ts.isShorthandPropertyAssignment(status) ? rowOf(code, source) : status) };
}

/** The row of a table in the same file that the last word of the code names. */
function rowOf(code: string, source: ts.SourceFile): ts.Node | undefined {
  const word = code.slice(code.indexOf('.') + 1);
  return nodesOf(source).find((node) => ts.isPropertyAssignment(node) && (node.name as ts.Identifier).text === word);
}

function numbersIn(node: ts.Node | undefined): readonly number[] {
  return node ? nodesOf(node).flatMap((inner) => (ts.isNumericLiteral(inner) ? [Number(inner.text)] : [])) : [];
}
