import type { Clock } from '../platform/clock.ts';
import type { HealthCheck, ProbeResult } from './health-check.ts';
import { judgeAnswer } from './probe.ts';

/** Asks an instance how it is. Never throws: no answer is a failed probe with its reason. */
export async function probeHttp(url: string, check: HealthCheck, clock: Clock): Promise<ProbeResult> {
  const started = performance.now();
  try {
    const answer = await fetch(new URL(check.path, url), {
      redirect: 'manual',
      signal: AbortSignal.timeout(check.timeoutSeconds * 1000),
      headers: { 'user-agent': 'tidegate-health-check', connection: 'close' },
    });
    await answer.body?.cancel();
    return judgeAnswer(clock.now(), { status: answer.status, ms: performance.now() - started });
  } catch (error) {
    return judgeAnswer(clock.now(), { error: sentenceOf(error, check) });
  }
}

function sentenceOf(error: unknown, check: HealthCheck): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${check.timeoutSeconds} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error && 'code' in cause) return String(cause.code);
  return error instanceof Error ? error.message : String(error);
}
