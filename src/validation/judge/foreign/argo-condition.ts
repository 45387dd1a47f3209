import { parseCondition, type Node } from './argo-condition-syntax.ts';
import { callFunction, isFunction, type Scope } from './argo-condition-functions.ts';

/**
 * The part of the expr language that analysis conditions use (`result[0] >= 0.95`, `all(result, # < 1000)`,
 * `default(result, 0) < 5`, `isNaN(result)`), with its errors: an unknown name, an index beyond the end, a comparison of
 * unlike values or an answer that is not true or false is an evaluation error, never a silent false.
 */
export class ConditionError extends Error {
  override readonly name = 'ConditionError';
}

/** A condition that uses something Argo knows and we do not. Answering "Error" for it would be a guess. */
export class UnsupportedCondition extends Error {
  override readonly name = 'UnsupportedCondition';
}

const parsed = new Map<string, Node>();
const CACHE_LIMIT = 1000;

export function evaluateCondition(condition: string, result: unknown): boolean {
  const answer = valueOf(treeOf(condition), { result });
  if (typeof answer !== 'boolean') throw new ConditionError(`expected bool, but got ${kindOf(answer)}`);
  return answer;
}

/** Throws `ConditionError` on a syntax error and `UnsupportedCondition` on what is not implemented here. */
export function treeOf(condition: string): Node {
  const known = parsed.get(condition);
  if (known) return known;
  const tree = parseCondition(condition, { fail, unsupported });
  if (parsed.size >= CACHE_LIMIT) parsed.clear();
  parsed.set(condition, tree);
  return tree;
}

function fail(message: string): never {
  throw new ConditionError(message);
}

function unsupported(message: string): never {
  throw new UnsupportedCondition(message);
}

export function valueOf(node: Node, scope: Scope): unknown {
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'name':
      return node.name === 'result' ? scope.result : fail(`unknown name ${node.name}`);
    case 'element':
      return 'element' in scope ? scope.element : fail('cannot use # outside of a predicate');
    case 'list':
      return node.items.map((item) => valueOf(item, scope));
    case 'member':
      return memberOf(valueOf(node.of, scope), node.name, node.optional);
    case 'index':
      return indexOf(valueOf(node.of, scope), valueOf(node.index, scope));
    case 'unary':
      return unary(node.operator, valueOf(node.operand, scope));
    case 'binary':
      return binary(node, scope);
    case 'choice':
      return valueOf(truth(valueOf(node.condition, scope)) ? node.yes : node.no, scope);
    default:
      return isFunction(node.name) ? callFunction(node, scope, { valueOf, fail }) : fail(`unknown name ${node.name}`);
  }
}

function memberOf(value: unknown, name: string, optional: boolean): unknown {
  if (value === null && optional) return null;
  if (!isMap(value)) return fail(`cannot fetch ${name} from ${kindOf(value)}`);
  return Object.hasOwn(value, name) ? value[name] : null;
}

function indexOf(value: unknown, index: unknown): unknown {
  if (isMap(value) && typeof index === 'string') return memberOf(value, index, false);
  if (!Array.isArray(value) || typeof index !== 'number') return fail(`cannot fetch ${String(index)} from ${kindOf(value)}`);
  const at = index < 0 ? value.length + index : index;
  if (!Number.isInteger(at) || at < 0 || at >= value.length) return fail(`index out of range: ${index} (array length is ${value.length})`);
  const found: unknown = value[at];
  return found;
}

function unary(operator: string, operand: unknown): unknown {
  if (operator === 'not') return !truth(operand);
  return operator === '-' ? -number(operand, operator) : number(operand, operator);
}

const ARITHMETIC: Readonly<Record<string, (left: number, right: number) => number>> = {
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '**': (left, right) => left ** right,
};

const ORDER: Readonly<Record<string, <T extends number | string>(left: T, right: T) => boolean>> = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

const TEXT: Readonly<Record<string, (left: string, right: string) => boolean>> = {
  contains: (left, right) => left.includes(right),
  startsWith: (left, right) => left.startsWith(right),
  endsWith: (left, right) => left.endsWith(right),
};

function binary(node: Extract<Node, { kind: 'binary' }>, scope: Scope): unknown {
  const { operator } = node;
  const left = valueOf(node.left, scope);
  if (operator === 'and') return truth(left) && truth(valueOf(node.right, scope));
  if (operator === 'or') return truth(left) || truth(valueOf(node.right, scope));
  if (operator === '??') return left ?? valueOf(node.right, scope);
  const right = valueOf(node.right, scope);
  if (operator === '==' || operator === '!=') {
    const [kind, otherKind] = [typeIn(node.left), typeIn(node.right)];
    if (kind && otherKind && kind !== otherKind) return fail(`invalid operation: ${operator} (mismatched types ${kind} and ${otherKind})`);
    return equal(left, right) === (operator === '==');
  }
  if (operator === 'in') return within(left, right);
  const compare = ORDER[operator];
  if (compare) return ordered(compare, left, right, operator);
  const text = TEXT[operator];
  if (text) return typeof left === 'string' && typeof right === 'string' ? text(left, right) : mismatch(operator, left, right);
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  if (typeof left !== 'number' || typeof right !== 'number') return mismatch(operator, left, right);
  return operator === '+' ? left + right : ARITHMETIC[operator]?.(left, right);
}

const NUMERIC = new Set(['asFloat', 'asInt', 'float', 'int', 'len', 'abs', 'ceil', 'floor', 'round', 'sum', 'mean', 'median', 'count']);
const LOGICAL = new Set(['isNaN', 'isInf', 'isNil', 'all', 'any', 'none', 'one']);

/** The type that is known before any value is: comparing two unlike ones is an error even where values would differ anyway. */
function typeIn(node: Node): string | undefined {
  if (node.kind === 'literal') return node.value === null ? undefined : kindOf(node.value);
  if (node.kind !== 'call') return undefined;
  if (NUMERIC.has(node.name)) return 'float64';
  return LOGICAL.has(node.name) ? 'bool' : undefined;
}

function ordered(compare: (typeof ORDER)[string], left: unknown, right: unknown, operator: string): boolean {
  if (typeof left === 'number' && typeof right === 'number') return compare(left, right);
  if (typeof left === 'string' && typeof right === 'string') return compare(left, right);
  return mismatch(operator, left, right);
}

function mismatch(operator: string, left: unknown, right: unknown): never {
  return fail(`invalid operation: ${kindOf(left)} ${operator} ${kindOf(right)}`);
}

function equal(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (isMap(left) && isMap(right)) {
    const keys = Object.keys(left);
    return keys.length === Object.keys(right).length && keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]));
  }
  return left === right;
}

function within(item: unknown, container: unknown): boolean {
  if (container === null) return false;
  if (Array.isArray(container)) return container.some((candidate) => equal(candidate, item));
  if (isMap(container) && typeof item === 'string') return Object.hasOwn(container, item);
  return fail(`operator "in" not defined on ${kindOf(container)}`);
}

function truth(value: unknown): boolean {
  return typeof value === 'boolean' ? value : fail(`expected bool, but got ${kindOf(value)}`);
}

function number(value: unknown, operator: string): number {
  return typeof value === 'number' ? value : fail(`invalid operation: ${operator} ${kindOf(value)}`);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return 'list';
  const kinds: Readonly<Record<string, string>> = { number: 'float64', string: 'string', boolean: 'bool', object: 'map' };
  return kinds[typeof value] ?? typeof value;
}
