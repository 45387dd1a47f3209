import { Fault } from '../fault.ts';

/** A Fault as it crosses a socket: everything a caller acts on, nothing of the stack. */
export interface WireFault {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly retryable: boolean;
  readonly remedy?: string | undefined;
  readonly faults?: Fault['faults'];
  readonly extra?: Fault['extra'];
}

/** An error that is not a Fault is a defect: its text stays in the log of the process that threw it. */
export function faultToWire(error: unknown): WireFault {
  if (!(error instanceof Fault))
    return { code: 'control.defect', status: 500, message: 'the process met an error it did not expect', retryable: true };
  const { code, status, message, retryable, remedy, faults, extra } = error;
  return { code, status, message, retryable, remedy, faults, extra };
}

export function faultFromWire(wire: unknown): Fault {
  const given = (typeof wire === 'object' && wire !== null ? wire : {}) as Partial<WireFault>;
  return new Fault({
    code: typeof given.code === 'string' ? given.code : 'control.bad-answer',
    status: typeof given.status === 'number' ? given.status : 502,
    message: typeof given.message === 'string' ? given.message : 'expected a fault with a message, got something else',
    retryable: given.retryable === true,
    ...(typeof given.remedy === 'string' ? { remedy: given.remedy } : {}),
    ...(Array.isArray(given.faults) ? { faults: given.faults } : {}),
    ...(given.extra ? { extra: given.extra } : {}),
  });
}
