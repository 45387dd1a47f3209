/** Where in a line of JSON a value stands, so that a fault can name its column. */
export type Path = readonly (string | number)[];

/** The 1-based column of the value at `path`; of the nearest value around it when it is absent. The text must be valid JSON. */
export function columnOf(text: string, path: Path): number {
  let at = afterSpace(text, 0);
  for (const step of path) {
    const next = typeof step === 'number' ? elementAt(text, at, step) : memberAt(text, at, step);
    if (next === undefined) break;
    at = next;
  }
  return at + 1;
}

function elementAt(text: string, start: number, index: number): number | undefined {
  if (text[start] !== '[') return undefined;
  let at = afterSpace(text, start + 1);
  for (let element = 0; text[at] !== ']' && at < text.length; element += 1) {
    if (element === index) return at;
    at = afterSpace(text, afterValue(text, at));
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
  return undefined;
}

function memberAt(text: string, start: number, name: string): number | undefined {
  if (text[start] !== '{') return undefined;
  let at = afterSpace(text, start + 1);
  while (text[at] === '"') {
    const keyEnd = afterText(text, at);
    const key: unknown = JSON.parse(text.slice(at, keyEnd));
    const value = afterSpace(text, afterSpace(text, keyEnd) + 1);
    if (key === name) return value;
    at = afterSpace(text, afterValue(text, value));
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
  return undefined;
}

function afterSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? '')) at += 1;
  return at;
}

function afterText(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Past one value, however deep: brackets are counted, texts skipped. */
function afterValue(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const character = text[at] ?? '';
    if (character === '"') at = afterText(text, at);
    else {
      if (depth === 0 && ',]}'.includes(character)) return at;
      if ('[{'.includes(character)) depth += 1;
      if (']}'.includes(character)) depth -= 1;
      at += 1;
    }
    if (depth === 0 && (character === '"' || ']}'.includes(character))) return at;
  }
  return at;
}

const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/**
 * The position at which a text stops being JSON; its length when only the end is missing. `JSON.parse` tells that for long
 * texts only.
 */
export function brokenAt(text: string): number {
  const open: string[] = [];
  let at = afterSpace(text, 0);
  let expected: 'value' | 'after' | 'key' = 'value';
  for (;;) {
    const character = text[at];
    const innermost = open.at(-1);
    if (expected === 'after') {
      if (innermost === undefined || (character !== ',' && character !== innermost)) return at;
      if (character === innermost) open.pop();
      else expected = innermost === '}' ? 'key' : 'value';
      at += 1;
    } else if (expected === 'key') {
      const end = afterSpace(text, textEnd(text, at));
      if (end <= at || text[end] !== ':') return end <= at ? at : end;
      at = end + 1;
      expected = 'value';
    } else {
      const closing = character === '[' ? ']' : character === '{' ? '}' : undefined;
      const inside = afterSpace(text, at + 1);
      const empty = closing !== undefined && text[inside] === closing;
      const end = closing === undefined ? scalarEnd(text, at) : empty ? inside + 1 : at + 1;
      if (end <= at) return at;
      if (closing !== undefined && !empty) open.push(closing);
      expected = closing === undefined || empty ? 'after' : closing === '}' ? 'key' : 'value';
      at = end;
    }
    at = afterSpace(text, at);
  }
}

/** Where the text or scalar that begins at `at` ends; `at` itself when none does. */
function scalarEnd(text: string, at: number): number {
  if (text[at] === '"') return textEnd(text, at);
  SCALAR.lastIndex = at;
  return SCALAR.test(text) ? SCALAR.lastIndex : at;
}

function textEnd(text: string, at: number): number {
  const end = text[at] === '"' ? afterText(text, at) : at;
  return end > text.length ? at : end;
}
