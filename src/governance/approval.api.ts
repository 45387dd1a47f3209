import { z } from 'zod';
import type { Database, Transaction } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Call, Route } from '../platform/http/index.ts';
import { read, write } from '../platform/http/index.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Queue } from '../platform/queue/index.ts';
import type { Candidate, Release } from '../planning/index.ts';
import { authorshipOf, diffCandidates, findCandidate, findRelease, listCandidates } from '../planning/index.ts';
import type { ApprovalGate } from './approval.ts';
import { matchQuorum } from './approval.ts';
import type { StoredApproval } from './approval.store.ts';
import { listApprovalGates, listApprovals, listOpenGates, saveApproval } from './approval.store.ts';

export interface ApprovalDeps {
  readonly db: Database;
  readonly queue: Queue;
}

const params = z.strictObject({ release: z.string().min(1).max(160) });

const Body = z.strictObject({
  decision: z.enum(['approve', 'reject']),
  candidate: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected the digest of the candidate that was looked at'),
  stage: z.string().max(63).optional().describe('Needed only when several stages wait'),
  reason: z.string().trim().max(2000).optional().describe('Compulsory for a rejection'),
});
type Body = z.infer<typeof Body>;
type ApprovalCall = Call<z.infer<typeof params>, unknown, Body>;

const GateView = z.object({
  release: z.string(),
  stage: z.string(),
  state: z.enum(['open', 'closed']),
  roles: z.record(z.string(), z.number()),
  candidate: z.string().optional(),
  quorum: z.array(z.object({ role: z.string(), principal: z.string().optional() })),
  approvals: z.array(
    z.object({
      principal: z.string(),
      roles: z.array(z.string()),
      decision: z.enum(['approve', 'reject']),
      candidate: z.string(),
      valid: z.boolean(),
      reason: z.string().optional(),
      at: z.iso.datetime(),
    }),
  ),
});
type GateView = z.infer<typeof GateView>;

export function approvalRoutes(deps: ApprovalDeps): readonly Route[] {
  return [
    write({
      method: 'POST',
      path: '/api/v1/releases/:release/approvals',
      operation: 'decideApproval',
      access: 'approval.decide',
      summary: 'Approve or reject exactly this candidate',
      params,
      body: Body,
      result: GateView,
      status: 201,
      handle: async (call, tx) => {
        const view = await decide(tx, call);
        await deps.queue.wake(tx, [call.params.release]);
        return { body: view };
      },
    }),
    read({
      path: '/api/v1/releases/:release/approvals',
      operation: 'listApprovals',
      access: 'approval.read',
      summary: 'Who decided what about which candidate, and who is still awaited',
      params,
      result: z.object({ items: z.array(GateView) }),
      handle: async (call) => {
        const release = await releaseOrRefuse(deps.db, call.params.release);
        const [gates, approvals, candidate] = [
          await listApprovalGates(deps.db, release.id),
          await listApprovals(deps.db, release.id),
          await findCandidate(deps.db, release.id),
        ];
        return { body: { items: gates.map((gate) => viewOf(gate, approvals, candidate)) } };
      },
    }),
    read({
      path: '/api/v1/approvals',
      operation: 'listOpenApprovals',
      access: 'approval.read',
      summary: 'What waits for people, oldest first',
      result: z.object({
        items: z.array(
          z.object({ release: z.string(), stage: z.string(), roles: z.record(z.string(), z.number()), openedAt: z.iso.datetime() }),
        ),
      }),
      handle: async () => {
        const gates = await listOpenGates(deps.db, 200);
        return {
          body: {
            items: gates.map((g) => ({
              release: g.release,
              stage: g.stage,
              roles: { ...g.rule.roles },
              openedAt: g.openedAt.toISOString(),
            })),
          },
        };
      },
    }),
  ];
}

/** The checks in the order a person would want to hear them: is it open, is it this candidate, may I, does my role count. */
async function decide(tx: Transaction, call: ApprovalCall): Promise<GateView> {
  refuseSilentRejection(call.body);
  const release = await releaseOrRefuse(tx, call.params.release);
  const gate = chooseGate(await listApprovalGates(tx, release.id, { lock: true }), call.body.stage, release);
  const candidate = await findCandidate(tx, release.id);
  if (!candidate || candidate.digest !== call.body.candidate) throw await staleCandidate(tx, release, candidate, call.body.candidate);
  refuseAuthor(release, call);
  refuseOtherRole(gate, call);
  const before = (await listApprovals(tx, release.id)).find(
    (a) => a.stage === gate.stage && a.principal === call.principal.name && a.candidateDigest === candidate.digest,
  );
  if (before?.decision !== call.body.decision) await writeDown(tx, { release, gate, candidate, call });
  return viewOf(gate, await listApprovals(tx, release.id), candidate);
}

interface Decided {
  readonly release: Release;
  readonly gate: ApprovalGate;
  readonly candidate: Candidate;
  readonly call: ApprovalCall;
}

async function writeDown(tx: Transaction, { release, gate, candidate, call }: Decided): Promise<void> {
  const { principal, body } = call;
  const counting = principal.roles.filter((r) => Object.hasOwn(gate.rule.roles, r));
  await saveApproval(tx, release.id, {
    stage: gate.stage,
    principal: principal.name,
    roles: counting,
    emails: principal.emails,
    decision: body.decision,
    candidateDigest: candidate.digest,
    at: call.at,
    ...(body.reason === undefined ? {} : { reason: body.reason }),
  });
  await recordChange(tx, {
    actor: principal.name,
    action: body.decision === 'approve' ? 'approval.given' : 'approval.refused',
    subject: `release/${release.id}`,
    after: { stage: gate.stage, candidate: candidate.digest, roles: counting },
    ...(body.reason === undefined ? {} : { reason: body.reason }),
    at: call.at,
  });
}

async function releaseOrRefuse(reader: Database | Transaction, id: string): Promise<Release> {
  const release = await findRelease(reader, id);
  if (release) return release;
  throw new Fault({
    code: 'release.unknown',
    status: 404,
    message: `expected a release named ${id}, found none`,
    remedy: 'List them: tidegate get releases',
  });
}

function chooseGate(gates: readonly ApprovalGate[], stage: string | undefined, release: Release): ApprovalGate {
  const asked = stage === undefined ? (gates.find((g) => g.state === 'open') ?? gates.at(-1)) : gates.find((g) => g.stage === stage);
  if (!asked)
    throw new Fault({
      code: 'approval.not-open',
      status: 409,
      message: `expected a stage of ${release.id} that waits for approval, found none${stage ? ` named ${stage}` : ''}`,
      remedy: `See what it waits for: tidegate why ${release.id}`,
    });
  if (asked.state === 'closed')
    throw new Fault({
      code: 'approval.closed',
      status: 409,
      message: `the approval of ${release.id} for ${asked.stage} is decided already`,
      remedy: `Roll it back if it must not run: tidegate rollback ${release.id}`,
    });
  return asked;
}

async function staleCandidate(tx: Transaction, release: Release, current: Candidate | undefined, given: string): Promise<Fault> {
  const old = (await listCandidates(tx, release.id)).find((c) => c.digest === given);
  const diff =
    old && current
      ? diffCandidates(old.content, current.content).map((d) => ({ pointer: d.pointer, before: d.before ?? null, after: d.after ?? null }))
      : [];
  const changed = diff.length > 0 ? `; what changed: ${diff.map((d) => d.pointer).join(', ')}` : '';
  return new Fault({
    code: 'candidate.stale',
    status: 412,
    message: `expected the candidate ${current?.digest ?? 'that is still to be built'}, got ${given}${changed}`,
    remedy: 'Look at the difference and decide about the candidate as it is now.',
    extra: { current: current?.digest ?? null, diff },
  });
}

function refuseSilentRejection(body: Body): void {
  if (body.decision === 'approve' || (body.reason ?? '').length >= 3) return;
  throw new Fault({
    code: 'approval.reason-missing',
    status: 422,
    message: 'expected a reason of at least three letters: a rejection tells the next person what to change',
    remedy: 'Say why.',
    faults: [{ pointer: '/reason', detail: 'expected why, got nothing' }],
  });
}

function refuseAuthor(release: Release, call: ApprovalCall): void {
  const part = authorshipOf(release, call.principal);
  if (!part) return;
  const did = {
    commit: `wrote commits of ${release.id}${part.email ? ` (${part.email})` : ''}`,
    tag: `signed the tag ${release.tag}`,
    request: `asked for ${release.id}`,
  }[part.part];
  throw new Fault({
    code: 'approval.author',
    status: 403,
    message: `${call.principal.name} ${did}: who had a part in a release cannot approve it`,
    remedy: 'Somebody who had no part in it decides.',
  });
}

function refuseOtherRole(gate: ApprovalGate, call: ApprovalCall): void {
  const asked = Object.keys(gate.rule.roles);
  if (call.principal.kind === 'person' && call.principal.roles.some((r) => asked.includes(r))) return;
  const got = call.principal.kind === 'person' ? `the roles ${call.principal.roles.join(', ') || 'none'}` : `a ${call.principal.kind}`;
  throw new Fault({
    code: 'approval.role',
    status: 403,
    message: `expected a person with one of the roles ${asked.join(', ')}, got ${got}`,
    remedy: `Ask somebody who holds ${asked.join(' or ')}.`,
  });
}

function viewOf(gate: ApprovalGate, all: readonly StoredApproval[], candidate: Candidate | undefined): GateView {
  const approvals = all.filter((a) => a.stage === gate.stage);
  const valid = approvals.filter((a) => a.decision === 'approve' && a.candidateDigest === candidate?.digest);
  return {
    release: gate.release,
    stage: gate.stage,
    state: gate.state,
    roles: { ...gate.rule.roles },
    ...(candidate ? { candidate: candidate.digest } : {}),
    quorum: matchQuorum(gate.rule, valid).map((slot) => ({ ...slot })),
    approvals: approvals.map((a) => ({
      principal: a.principal,
      roles: [...a.roles],
      decision: a.decision,
      candidate: a.candidateDigest,
      valid: a.candidateDigest === candidate?.digest,
      ...(a.reason ? { reason: a.reason } : {}),
      at: a.at.toISOString(),
    })),
  };
}
