/** Limits of the HTTP edge. All have defaults; {@link resolveHttpSettings} fills them in once, at wiring. */
export interface HttpSettings {
  /** @default 1 MiB, in bytes */
  readonly bodyLimit: number;
  /** Time for a whole request to arrive. @default 30,000 ms */
  readonly requestTimeoutMs: number;
  /** Time for a route to answer; streams are exempt. @default 30,000 ms */
  readonly handlerTimeoutMs: number;
  /** Requests per minute and principal. Counted per process. @default 6,000 */
  readonly requestsPerMinute: number;
  /** Refused sign-ins (missing, unknown, expired token) per minute and address; past it no token is looked up at all. @default 120 */
  readonly refusalsPerMinute: number;
  /** Event-loop delay past which requests are refused with 503, /healthz excepted. @default 5,000 ms */
  readonly busyAfterMs: number;
  /** Open event streams per principal. @default 32 */
  readonly streamsPerPrincipal: number;
  /** A comment on silent event streams keeps proxies from closing them. @default 15,000 ms */
  readonly heartbeatMs: number;
  /** Addresses of proxies whose X-Forwarded-For is believed. @default none */
  readonly trustProxy: boolean | string | readonly string[];
  /** @default 'info' */
  readonly logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Checks every answer against its schema. For tests and development: it doubles the cost of a read. @default false */
  readonly checkAnswers: boolean;
}

const defaults: HttpSettings = {
  bodyLimit: 1024 * 1024,
  requestTimeoutMs: 30_000,
  handlerTimeoutMs: 30_000,
  requestsPerMinute: 6_000,
  refusalsPerMinute: 120,
  busyAfterMs: 5_000,
  streamsPerPrincipal: 32,
  heartbeatMs: 15_000,
  trustProxy: false,
  logLevel: 'info',
  checkAnswers: false,
};

export function resolveHttpSettings(settings: Partial<HttpSettings> = {}): HttpSettings {
  return { ...defaults, ...settings };
}
