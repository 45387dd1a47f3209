/** Words and grammar of conditions: a small Pratt parser. Operators bind as in the expr language. */
export type Node =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'element' }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'member'; readonly of: Node; readonly name: string; readonly optional: boolean }
  | { readonly kind: 'index'; readonly of: Node; readonly index: Node }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'choice'; readonly condition: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Node[] };

export interface Complaints {
  readonly fail: (message: string) => never;
  readonly unsupported: (message: string) => never;
}

interface Token {
  readonly kind: 'number' | 'text' | 'word' | 'sign' | 'end';
  readonly text: string;
}

const MAXIMUM_LENGTH = 4096;
const MAXIMUM_DEPTH = 100;
const TOKEN =
  /\s*(?:(\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_$]\w*)|(\?\?|\?\.|\*\*|&&|\|\||[=!<>]=|\.\.|[-+*/%^<>!?:,.()[\]{}#|;]))/y;

const STRENGTH: Readonly<Record<string, number>> = {
  or: 10,
  and: 15,
  '==': 20,
  '!=': 20,
  '<': 20,
  '<=': 20,
  '>': 20,
  '>=': 20,
  in: 20,
  matches: 20,
  contains: 20,
  startsWith: 20,
  endsWith: 20,
  '+': 30,
  '-': 30,
  '*': 60,
  '/': 60,
  '%': 60,
  '**': 100,
  '??': 500,
};
const SPELLINGS: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or', '^': '**', '!': 'not' };
const CONSTANTS: Readonly<Record<string, boolean | null>> = { true: true, false: false, nil: null };
/** Known to the expr language and not here: naming them is better than calling them unknown. */
const ELSEWHERE = new Set([
  'now',
  'date',
  'duration',
  'timezone',
  'toJSON',
  'fromJSON',
  'toBase64',
  'fromBase64',
  'toPairs',
  'fromPairs',
  'groupBy',
  'sortBy',
  'sort',
  'reduce',
  'find',
  'findIndex',
  'findLast',
  'findLastIndex',
  'split',
  'splitAfter',
  'join',
  'replace',
  'repeat',
  'indexOf',
  'lastIndexOf',
  'hasPrefix',
  'hasSuffix',
  'trimPrefix',
  'trimSuffix',
  'keys',
  'values',
  'take',
  'concat',
  'flatten',
  'uniq',
  'reverse',
  'type',
  'string',
  'bitand',
  'bitor',
  'bitxor',
  'bitnand',
  'bitnot',
  'bitshl',
  'bitshr',
  'bitushr',
  'get',
  'ceil64',
  'let',
  'matches',
]);

export function parseCondition(condition: string, complaints: Complaints): Node {
  if (condition.length > MAXIMUM_LENGTH) complaints.fail(`condition longer than ${MAXIMUM_LENGTH} characters`);
  return new Parser(wordsOf(condition, complaints), complaints).whole();
}

function wordsOf(condition: string, { fail }: Complaints): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (condition.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const [matched, number, text, word, sign] = TOKEN.exec(condition) ?? [];
    if (matched === undefined) return fail(`unexpected character at ${at + 1} in "${condition}"`);
    at = TOKEN.lastIndex;
    if (number !== undefined) tokens.push({ kind: 'number', text: number.replaceAll('_', '') });
    else if (text !== undefined) tokens.push({ kind: 'text', text: unescaped(text.slice(1, -1)) });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else tokens.push({ kind: 'sign', text: sign ?? '' });
  }
  return [...tokens, { kind: 'end', text: 'the end' }];
}

function unescaped(text: string): string {
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
  return text.replaceAll(/\\(.)/g, (_, character: string) => escapes[character] ?? character);
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #complaints: Complaints;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], complaints: Complaints) {
    this.#tokens = tokens;
    this.#complaints = complaints;
  }

  whole(): Node {
    const node = this.#expression(0);
    if (this.#next().kind !== 'end') this.#unexpected();
    return node;
  }

  #expression(strength: number): Node {
    this.#depth += 1;
    if (this.#depth > MAXIMUM_DEPTH) this.#complaints.fail(`condition nested deeper than ${MAXIMUM_DEPTH}`);
    let left = this.#operand();
    for (let operator = this.#operator(strength); operator !== undefined; operator = this.#operator(strength)) {
      left = this.#joined(left, operator);
    }
    if (strength === 0 && this.#taken('?')) left = this.#choice(left);
    this.#depth -= 1;
    return left;
  }

  /** Left-associative, except the power. `a not in b` is `not (a in b)`. */
  #joined(left: Node, { name, negated, binds }: { name: string; negated: boolean; binds: number }): Node {
    if (name === 'matches') this.#complaints.unsupported('the operator "matches" is not supported');
    const right = this.#expression(name === '**' ? binds : binds + 1);
    const joined: Node = { kind: 'binary', operator: name, left, right };
    return negated ? { kind: 'unary', operator: 'not', operand: joined } : joined;
  }

  #operator(strength: number): { name: string; negated: boolean; binds: number } | undefined {
    const start = this.#at;
    const token = this.#next();
    if (token.kind !== 'sign' && token.kind !== 'word') return undefined;
    const negated = token.kind === 'word' && token.text === 'not';
    if (negated) this.#at += 1;
    const { text } = this.#next();
    const name = SPELLINGS[text] ?? text;
    const binds = Object.hasOwn(STRENGTH, name) ? STRENGTH[name] : undefined;
    if (name === '|' || name === '..') this.#complaints.unsupported(`the operator "${name}" is not supported`);
    if (binds === undefined || binds < Math.max(strength, 1)) {
      this.#at = start;
      return undefined;
    }
    this.#at += 1;
    return { name, negated, binds };
  }

  #choice(condition: Node): Node {
    const yes = this.#expression(0);
    this.#expect(':');
    return { kind: 'choice', condition, yes, no: this.#expression(0) };
  }

  #operand(): Node {
    const token = this.#next();
    const sign = SPELLINGS[token.text] ?? token.text;
    if (token.kind !== 'text' && (sign === 'not' || sign === '-' || sign === '+')) {
      this.#at += 1;
      return { kind: 'unary', operator: sign, operand: this.#expression(sign === 'not' ? 50 : 90) };
    }
    return this.#postfix(this.#atom());
  }

  #atom(): Node {
    const token = this.#next();
    this.#at += 1;
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) };
    if (token.kind === 'text') return { kind: 'literal', value: token.text };
    if (token.kind === 'word') return this.#word(token.text);
    if (token.text === '(') return this.#closed(this.#expression(0), ')');
    if (token.text === '[') return { kind: 'list', items: this.#items(']') };
    if (token.text === '#') return { kind: 'element' };
    if (token.text === '.') {
      this.#at -= 1;
      return { kind: 'element' };
    }
    if (token.text === '{') return this.#complaints.unsupported('a map literal is not supported');
    this.#at -= 1;
    return this.#unexpected();
  }

  #word(name: string): Node {
    if (Object.hasOwn(CONSTANTS, name)) return { kind: 'literal', value: CONSTANTS[name] };
    if (ELSEWHERE.has(name)) return this.#complaints.unsupported(`"${name}" is not supported`);
    if (!this.#taken('(')) return { kind: 'name', name };
    return { kind: 'call', name, args: this.#items(')') };
  }

  /** Arguments or list items; a predicate may stand in braces. */
  #items(end: string): readonly Node[] {
    const items: Node[] = [];
    if (this.#taken(end)) return items;
    do {
      items.push(this.#taken('{') ? this.#closed(this.#expression(0), '}') : this.#expression(0));
    } while (this.#taken(','));
    this.#expect(end);
    return items;
  }

  #postfix(start: Node): Node {
    let node = start;
    for (;;) {
      const optional = this.#taken('?.');
      if (optional || this.#taken('.')) node = { kind: 'member', of: node, name: this.#memberName(), optional };
      else if (this.#taken('[')) node = { kind: 'index', of: node, index: this.#subscript() };
      else return node;
    }
  }

  #memberName(): string {
    const token = this.#next();
    if (token.kind !== 'word') return this.#unexpected();
    this.#at += 1;
    if (this.#next().text === '(' && this.#next().kind === 'sign') this.#complaints.fail(`type has no method ${token.text}`);
    return token.text;
  }

  #subscript(): Node {
    const index = this.#expression(0);
    if (this.#next().text === ':') this.#complaints.unsupported('a slice is not supported');
    return this.#closed(index, ']');
  }

  #closed(node: Node, end: string): Node {
    this.#expect(end);
    return node;
  }

  #expect(sign: string): void {
    if (!this.#taken(sign)) this.#unexpected();
  }

  #taken(sign: string): boolean {
    const token = this.#next();
    if (token.kind !== 'sign' || token.text !== sign) return false;
    this.#at += 1;
    return true;
  }

  #next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #unexpected(): never {
    return this.#complaints.fail(`unexpected ${this.#next().text}`);
  }
}
