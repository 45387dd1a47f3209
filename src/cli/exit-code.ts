/** What a script may rely on. */
export const exitCode = {
  ok: 0,
  /** Failed or denied. */
  failed: 1,
  badInput: 2,
  undetermined: 3,
  notSignedIn: 4,
  notFound: 5,
  waitingForPerson: 6,
  rolledBack: 7,
  timedOut: 124,
} as const;

/** Of an HTTP status the API refused with. */
export function exitCodeOf(status: number): number {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
    case 428:
      return exitCode.badInput;
    case 401:
      return exitCode.notSignedIn;
    case 404:
      return exitCode.notFound;
    default:
      return exitCode.failed;
  }
}

/** Of a release's state, for `--wait`. */
export function exitCodeOfRelease(state: string): number {
  if (state === 'completed') return exitCode.ok;
  return state === 'rolled-back' ? exitCode.rolledBack : exitCode.failed;
}
