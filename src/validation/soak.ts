import type { Decision } from '../platform/decision.ts';
import { allow, deny, undetermined } from '../platform/decision.ts';
import type { ProbeResult } from './health-check.ts';

export interface SoakFacts {
  readonly soakSeconds: number;
  /** When the new version took all traffic. */
  readonly since: Date;
  readonly probes: readonly ProbeResult[];
  readonly restarts: number;
  readonly now: Date;
}

/** How many failed probes in a row during the soak mean that the version is not healthy; one alone may be a blip. */
const failuresThatEndASoak = 3;

/**
 * The version must stay healthy for the whole soak time. A soak nobody looked at proves nothing: it ends only with a
 * passing probe taken after its last second.
 */
export function decideSoak(facts: SoakFacts): Decision {
  const end = new Date(facts.since.getTime() + facts.soakSeconds * 1000);
  const probes = facts.probes.filter((p) => p.at >= facts.since);
  const failed = probes.slice(-failuresThatEndASoak);
  if (facts.restarts > 0) {
    return deny({
      code: 'soak.restarted',
      sentence: 'The instance had to be restarted while it soaked.',
      remedy: 'Read its log; fix and tag a new version.',
    });
  }
  if (failed.length === failuresThatEndASoak && failed.every((p) => !p.passed)) {
    return deny({
      code: 'soak.unhealthy',
      sentence: `${failuresThatEndASoak} health checks in a row failed while it soaked: ${failed.at(-1)?.detail}.`,
      remedy: 'Read the instance’s log; fix and tag a new version.',
    });
  }
  const last = probes.at(-1);
  if (last && last.passed && last.at >= end)
    return allow({ code: 'soak.over', sentence: `Healthy for ${facts.soakSeconds} s (${probes.length} health checks).` });
  return undetermined({ code: 'soak.running', sentence: `Soaks until ${end.toISOString()}.`, evidence: { probes: probes.length } }, end);
}
