import type { components } from './schema.d.ts';

/** What the server refuses with (RFC 9457). */
export type Problem = components['schemas']['Problem'];

/** The server refused: `code` says what, `problem` holds everything it said. */
export class RefusedError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'RefusedError';
    this.status = problem.status;
    this.code = problem.code;
    this.problem = problem;
  }
}

/** No answer: the server is away, or took too long. The action may have been done; with a repeat under the same key it is done once. */
export class NoAnswerError extends Error {
  readonly server: string;

  constructor(server: string, cause: unknown) {
    super(`expected an answer from ${server}, got none: ${reasonOf(cause)}`, { cause });
    this.name = 'NoAnswerError';
    this.server = server;
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof AggregateError ? cause.cause.errors[0] : cause.cause;
  return inner instanceof Error ? inner.message : cause.message;
}

/** A refusal that did not come from Tidegate (a proxy, say) made into a problem all the same. */
export function problemOf(status: number, body: unknown): Problem {
  if (typeof body === 'object' && body !== null && 'code' in body && 'detail' in body) return body as Problem;
  return {
    type: '/problems/answer.foreign',
    title: 'Answer foreign',
    status,
    code: 'answer.foreign',
    detail: `expected an answer of Tidegate, got status ${status} of something else; is the address right?`,
    instance: '',
  };
}
