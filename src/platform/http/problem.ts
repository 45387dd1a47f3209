import { z } from 'zod';
import { asDatabaseFault } from '../database/faults.ts';
import { Fault, firstFaults } from '../fault.ts';
import type { FaultItem } from '../fault.ts';

/** One place in an input that is wrong. */
const ProblemFault = z
  .object({
    pointer: z.string().optional().describe('RFC 6901 JSON pointer into the input'),
    file: z.string().optional(),
    line: z.number().int().min(1).optional(),
    column: z.number().int().min(1).optional(),
    code: z.string().optional(),
    detail: z.string().describe('expected X, got Y'),
  })
  .meta({ id: 'ProblemFault' });

/** RFC 9457 problem document: what every refusal of this API looks like. */
export const Problem = z
  .looseObject({
    type: z.string().describe('Relative reference /problems/CODE'),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('Stable machine name, noun.cause'),
    detail: z.string(),
    remedy: z.string().optional().describe('What to do next'),
    instance: z.string().describe('Id of the request; the log line carries it too'),
    faults: z.array(ProblemFault).optional().describe('Every fault of the input at once'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** Makes the document of a fault. What `extra` holds becomes further members and can never replace a standard one. */
export function problemOf(fault: Fault, instance: string): Problem {
  return {
    ...fault.extra,
    type: `/problems/${fault.code}`,
    title: titleOf(fault.code),
    status: fault.status,
    code: fault.code,
    detail: fault.message,
    instance,
    ...(fault.remedy !== undefined && { remedy: fault.remedy }),
    ...(fault.faults.length > 0 && { faults: [...firstFaults(fault.faults)] }),
  };
}

function titleOf(code: string): string {
  const words = code.replaceAll(/[.-]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Codes of the web framework and of Node, as faults of ours. Anything not listed is either a Fault or unexpected. */
const frameworkFaults: Record<
  string,
  { readonly code: string; readonly status: number; readonly message: string; readonly remedy?: string }
> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'body.too-large',
    status: 413,
    message: 'expected a body within the limit of this route (1 MiB unless documented), got a larger one',
    remedy: 'Send less at once.',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'body.media-type',
    status: 415,
    message: 'expected a body of type application/json, got another media type',
    remedy: 'Set the header Content-Type: application/json.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'body.length',
    status: 400,
    message: 'expected as many bytes as Content-Length says, got another number',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    code: 'body.empty',
    status: 400,
    message: 'expected a JSON body, got none',
    remedy: 'Send a body, or leave Content-Type out.',
  },
  FST_ERR_BAD_URL: { code: 'url.malformed', status: 400, message: 'expected a well-formed address, got one that cannot be decoded' },
  FST_ERR_MAX_PARAM_LENGTH: {
    code: 'url.too-long',
    status: 414,
    message: 'expected path parts of at most 300 characters, got a longer one',
  },
  FST_ERR_HANDLER_TIMEOUT: {
    code: 'request.timeout',
    status: 503,
    message: 'expected an answer in time, got none; the action may or may not have been done',
    remedy: 'Repeat with the same Idempotency-Key: it is done once at most.',
  },
};

/** Any thrown value as a Fault. What is not foreseen becomes `internal` and tells nothing of itself to the outside. */
export function faultOf(thrown: unknown): Fault {
  const error = asDatabaseFault(thrown);
  if (error instanceof Fault) return error.code.startsWith('database.') ? withoutAddress(error) : error;
  const code = codeOf(error);
  const known = code === undefined ? undefined : frameworkFaults[code];
  if (known) return new Fault({ ...known, cause: error });
  if (code === uniqueViolation) {
    return new Fault({
      code: 'state.conflict',
      status: 409,
      message: 'somebody else has made the same thing at the same moment',
      remedy: 'Read the current state, then decide.',
      cause: error,
    });
  }
  return new Fault({
    code: 'internal',
    status: 500,
    message: 'something went wrong on our side',
    remedy: 'Search the log of the server for the instance given here.',
    cause: error,
  });
}

const uniqueViolation = '23505';

/** The driver's sentence in brackets names hosts and paths: it stays in the log. */
function withoutAddress(fault: Fault): Fault {
  const { code, status, retryable, remedy = 'Repeat in a few seconds.' } = fault;
  return new Fault({ code, status, retryable, remedy, message: fault.message.replace(/ \([^]*\)$/, ''), cause: fault });
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Everything wrong with one request, as 400 `request.invalid`. */
export function invalidRequest(faults: readonly FaultItem[]): Fault {
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`;
  return new Fault({
    code: 'request.invalid',
    status: 400,
    message: `expected a request as documented, got ${count}: ${faults[0]?.detail ?? ''}`,
    faults,
  });
}
