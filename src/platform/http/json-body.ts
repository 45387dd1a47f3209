import { Fault } from '../fault.ts';
import type { FaultItem } from '../fault.ts';

/** Deeper input serves nobody, and every recursive reader behind us (validation, canonical JSON) pays stack for it. */
export const maximumDepth = 64;

/** Parses a JSON body: depth is measured before a tree is built; `__proto__` is refused, not dropped. */
export function parseJsonBody(text: string): unknown {
  if (text.trim() === '') return undefined;
  if (depthOf(text) > maximumDepth) {
    throw new Fault({
      code: 'body.too-deep',
      status: 400,
      message: `expected JSON nested at most ${maximumDepth} deep, got deeper`,
      remedy: 'Flatten the document.',
    });
  }
  try {
    return JSON.parse(text, refusePrototype);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const fault = placeOf(error, text);
    throw new Fault({ code: 'body.malformed', status: 400, message: `expected JSON, got ${fault.detail}`, faults: [fault], cause: error });
  }
}

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__')
    throw new Fault({ code: 'body.forbidden-key', status: 400, message: 'expected no member named __proto__, got one' });
  return value;
}

/** Counts brackets outside of strings: linear, no recursion, no allocation. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return deepest;
}

/** V8 names the position in its message; the snippet it may quote is the sender's own input. */
function placeOf(error: unknown, text: string): FaultItem {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.replace(/ in JSON at position.*$/s, '').replace(/, (?:\.\.\.)?".*is not valid JSON$/s, '');
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined) return { detail: reason };
  const before = text.slice(0, Number(position)).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, detail: reason };
}
