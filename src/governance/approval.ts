import type { Decision, Reason } from '../platform/decision.ts';
import { allow, deny, undetermined } from '../platform/decision.ts';

/** How many people of which role must agree. One person fills one slot, whatever roles they hold. */
export interface ApprovalRule {
  readonly roles: Readonly<Record<string, number>>;
  /** An approval older than this no longer counts. */
  readonly expiresHours: number;
}

export interface Approval {
  readonly principal: string;
  /** The roles the person held when deciding. */
  readonly roles: readonly string[];
  readonly decision: 'approve' | 'reject';
  readonly candidateDigest: string;
  readonly reason?: string;
  readonly at: Date;
}

/** An open question to people: may this stage of this release go on? Closed once the deployment has begun. */
export interface ApprovalGate {
  readonly release: string;
  readonly stage: string;
  readonly rule: ApprovalRule;
  readonly state: 'open' | 'closed';
}

export interface QuorumSlot {
  readonly role: string;
  /** Who fills it; absent while it waits. */
  readonly principal?: string;
}

/**
 * Gives people to role slots so that as many slots as possible are filled (maximum bipartite matching by augmenting
 * paths, Kuhn 1955): somebody who holds two roles fills whichever the others cannot, whatever the order of approvals.
 */
export function matchQuorum(
  rule: ApprovalRule,
  people: readonly { readonly principal: string; readonly roles: readonly string[] }[],
): readonly QuorumSlot[] {
  const slots = Object.entries(rule.roles).flatMap(([role, count]) => Array.from({ length: count }, () => role));
  const holder: (number | undefined)[] = slots.map(() => undefined);
  const seat = (person: number, tried: Set<number>): boolean => {
    for (const [slot, role] of slots.entries()) {
      if (tried.has(slot) || !people[person]?.roles.includes(role)) continue;
      tried.add(slot);
      const current = holder[slot];
      if (current === undefined || seat(current, tried)) {
        holder[slot] = person;
        return true;
      }
    }
    return false;
  };
  for (const person of people.keys()) seat(person, new Set());
  return slots.map((role, slot) => {
    const person = people[holder[slot] ?? -1];
    return person ? { role, principal: person.principal } : { role };
  });
}

export interface ApprovalFacts {
  readonly rule: ApprovalRule;
  readonly candidateDigest: string;
  readonly approvals: readonly Approval[];
  /** Who wrote, tagged or asked for the release: their approvals never count. */
  readonly excluded: ReadonlySet<string>;
  readonly now: Date;
}

/**
 * Allows when every slot is filled by a different person who approved exactly this candidate and had no part in making
 * it. A rejection of this candidate denies. Missing people make it undetermined, each missing slot named.
 */
export function decideApproval(facts: ApprovalFacts): Decision {
  const current = facts.approvals.filter((a) => a.candidateDigest === facts.candidateDigest);
  const rejection = current.find((a) => a.decision === 'reject' && !facts.excluded.has(a.principal));
  if (rejection) return deny(rejectedReason(rejection));
  const valid = current.filter((a) => a.decision === 'approve' && !facts.excluded.has(a.principal) && expiresAt(a, facts.rule) > facts.now);
  const quorum = matchQuorum(facts.rule, valid);
  const missing = quorum.filter((slot) => slot.principal === undefined);
  if (missing.length > 0) return undetermined(missingReason(missing, facts));
  const filled = quorum.map((slot) => `${slot.principal} for ${slot.role}`);
  return allow({
    code: 'approval.complete',
    sentence: filled.length === 0 ? 'No approval is asked for.' : `Approved by ${filled.join(', ')}.`,
    evidence: { candidate: facts.candidateDigest, quorum },
  });
}

function expiresAt(approval: Approval, rule: ApprovalRule): Date {
  return new Date(approval.at.getTime() + rule.expiresHours * 3_600_000);
}

function rejectedReason(rejection: Approval): Reason {
  return {
    code: 'approval.rejected',
    sentence: `${rejection.principal} rejected this candidate${rejection.reason ? `: ${rejection.reason}` : '.'}`,
    remedy: `Change the candidate and ask again, or ask ${rejection.principal} to approve it.`,
    evidence: { principal: rejection.principal, at: rejection.at.toISOString(), candidate: rejection.candidateDigest },
  };
}

function missingReason(missing: readonly QuorumSlot[], facts: ApprovalFacts): Reason {
  const roles = missing.map((slot) => slot.role);
  const voided = facts.approvals.filter((a) => a.candidateDigest !== facts.candidateDigest && a.decision === 'approve');
  const history =
    voided.length > 0
      ? ` ${voided.length} earlier approval${voided.length === 1 ? ' is' : 's are'} void because the candidate changed.`
      : '';
  return {
    code: 'approval.missing-role',
    sentence: `Waiting for ${roles.join(', ')} to approve.${history}`,
    remedy: `Somebody with the role ${[...new Set(roles)].join(' or ')} who had no part in the release approves candidate ${facts.candidateDigest.slice(0, 19)}…`,
    evidence: {
      missing: roles,
      candidate: facts.candidateDigest,
      voided: voided.map((a) => ({ principal: a.principal, candidate: a.candidateDigest })),
    },
  };
}
