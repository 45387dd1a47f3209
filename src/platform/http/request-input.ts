import { z } from 'zod';
import type { FaultItem } from '../fault.ts';
import { assertStrict, fieldsAt, inputSchemaOf } from '../json-schema.ts';
import { schemaFaults } from '../schema-fault.ts';
import { invalidRequest } from './problem.ts';

type Part = 'path' | 'query' | 'body';
type Check = (value: unknown, faults: FaultItem[]) => unknown;

export interface InputSchemas {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
}

export interface Input {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** Compiles a route's schemas once; the check then gathers the faults of path, query and body together. */
export function compileInput(schemas: InputSchemas, where: string): (request: Input) => Input {
  const params = compilePart('path', schemas.params, where);
  const query = compilePart('query', schemas.query, where);
  const body = compilePart('body', schemas.body, where);
  return (request) => {
    const faults: FaultItem[] = [];
    const input = { params: params(request.params, faults), query: query(request.query, faults), body: body(request.body, faults) };
    const unstorable = findUnstorable(input, '');
    if (unstorable !== undefined)
      faults.push({ pointer: unstorable, detail: 'expected text that can be stored, got a NUL character or half a surrogate pair' });
    if (faults.length > 0) throw invalidRequest(faults);
    return input;
  };
}

/** PostgreSQL stores neither NUL nor half a surrogate pair; found here, it is the caller's mistake and not ours. */
function findUnstorable(value: unknown, pointer: string): string | undefined {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed() ? pointer : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const found = findUnstorable(key, pointer) ?? findUnstorable(member, `${pointer}/${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compilePart(part: Part, schema: z.ZodType | undefined, where: string): Check {
  if (schema === undefined) return part === 'query' ? compilePart(part, z.strictObject({}), where) : () => undefined;
  const shown = inputSchemaOf(schema);
  if (part !== 'path') assertStrict(shown, `${where}: ${part}`);
  return (value, faults) => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { path, ...fault } of schemaFaults(parsed.error, value, (at) => fieldsAt(shown, at))) {
      faults.push(
        part === 'body' ? fault : { code: fault.code ?? 'value.invalid', detail: `${part} parameter ${path.join('.')}: ${fault.detail}` },
      );
    }
    return undefined;
  };
}
