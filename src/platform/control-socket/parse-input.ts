import type { z } from 'zod';
import { Fault } from '../fault.ts';

/** The input of a control method, or Fault `<process>.bad-input` (422) with every fault and its JSON pointer. */
export function parseInput<T>(processName: string, schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  throw new Fault({
    code: `${processName}.bad-input`,
    status: 422,
    message: `expected a valid call of the ${processName}, got ${issues.map((issue) => `/${issue.path.join('/')}: ${issue.message}`).join('; ')}`,
    faults: issues.map((issue) => ({ pointer: `/${issue.path.join('/')}`, detail: issue.message })),
  });
}
