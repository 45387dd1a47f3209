import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Approval } from './approval.ts';
import { decideApproval, matchQuorum } from './approval.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const otherDigest = `sha256:${'b'.repeat(64)}`;
const now = new Date('2026-11-23T10:00:00Z');
const rule = { roles: { security: 1, operations: 1, business: 1 }, expiresHours: 72 };

function approval(principal: string, roles: readonly string[], rest: Partial<Approval> = {}): Approval {
  return { principal, roles, decision: 'approve', candidateDigest: digest, at: new Date('2026-11-23T09:00:00Z'), ...rest };
}

function decide(approvals: readonly Approval[], excluded: readonly string[] = []) {
  return decideApproval({ rule, candidateDigest: digest, approvals, excluded: new Set(excluded), now });
}

const three = [approval('sam', ['security']), approval('olga', ['operations']), approval('bert', ['business'])];

describe('an approval gate', () => {
  test('opens when each role is filled by another person', () => {
    expect(decide(three).effect).toBe('allow');
  });

  test('names the role that is missing', () => {
    const decision = decide(three.slice(0, 2));

    expect(decision.effect).toBe('undetermined');
    expect(decision.reasons[0]).toMatchObject({ code: 'approval.missing-role', evidence: { missing: ['business'] } });
  });

  test('one person fills one slot, whatever roles they hold', () => {
    expect(decide([approval('sam', ['security', 'operations']), approval('bert', ['business'])]).effect).toBe('undetermined');
  });

  test('the author of a change cannot approve it', () => {
    expect(decide(three, ['sam']).effect).toBe('undetermined');
  });

  test('an approval of another candidate is void', () => {
    const decision = decide([...three.slice(0, 2), approval('bert', ['business'], { candidateDigest: otherDigest })]);

    expect(decision.effect).toBe('undetermined');
    expect(decision.reasons[0]?.sentence).toContain('1 earlier approval is void because the candidate changed');
  });

  test('an approval expires', () => {
    const old = approval('bert', ['business'], { at: new Date(now.getTime() - 72 * 3_600_000) });

    expect(decide([...three.slice(0, 2), old]).effect).toBe('undetermined');
  });

  test('a rejection of this candidate denies, though all slots are filled', () => {
    const decision = decide([...three, approval('saul', ['security'], { decision: 'reject', reason: 'open finding' })]);

    expect(decision).toMatchObject({ effect: 'deny', reasons: [{ code: 'approval.rejected' }] });
  });

  test('a rejection of a former candidate does not', () => {
    expect(decide([...three, approval('saul', ['security'], { decision: 'reject', candidateDigest: otherDigest })]).effect).toBe('allow');
  });
});

describe('the quorum', () => {
  const roleNames = ['a', 'b', 'c', 'd'];
  const people = fc
    .array(fc.uniqueArray(fc.constantFrom(...roleNames)), { maxLength: 7 })
    .map((roles) => roles.map((r, i) => ({ principal: `p${i}`, roles: r })));
  const rules = fc.dictionary(fc.constantFrom(...roleNames), fc.integer({ min: 1, max: 2 })).map((roles) => ({ roles, expiresHours: 1 }));

  /** Every way to seat people, tried one by one: slow and obviously right. */
  function mostSeats(slots: readonly string[], free: readonly { readonly principal: string; readonly roles: readonly string[] }[]): number {
    const [role, ...rest] = slots;
    if (role === undefined) return 0;
    const seated = free
      .filter((p) => p.roles.includes(role))
      .map(
        (p) =>
          1 +
          mostSeats(
            rest,
            free.filter((q) => q !== p),
          ),
      );
    return Math.max(mostSeats(rest, free), ...seated);
  }

  test('fills as many slots as any seating could', () => {
    fc.assert(
      fc.property(rules, people, (anyRule, anyPeople) => {
        const slots = Object.entries(anyRule.roles).flatMap(([role, n]) => Array.from({ length: n }, () => role));
        const filled = matchQuorum(anyRule, anyPeople).filter((s) => s.principal !== undefined);

        expect(filled.length).toBe(mostSeats(slots, anyPeople));
      }),
    );
  });

  test('seats nobody twice and nobody in a role they do not hold', () => {
    fc.assert(
      fc.property(rules, people, (anyRule, anyPeople) => {
        const seated = matchQuorum(anyRule, anyPeople).filter((s) => s.principal !== undefined);

        expect(new Set(seated.map((s) => s.principal)).size).toBe(seated.length);
        for (const s of seated) expect(anyPeople.find((p) => p.principal === s.principal)?.roles).toContain(s.role);
      }),
    );
  });

  test('does not depend on the order of approvals', () => {
    fc.assert(
      fc.property(rules, people, (anyRule, anyPeople) => {
        const count = (list: typeof anyPeople) => matchQuorum(anyRule, list).filter((s) => s.principal !== undefined).length;

        expect(count(anyPeople)).toBe(count(anyPeople.toReversed()));
      }),
    );
  });
});
