import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Digest } from '../platform/digest.ts';
import type { Candidate, CandidateContent } from './candidate.ts';
import { candidateDigest } from './candidate.ts';
import type { Author, Release } from './release.ts';

type ReleaseRow = {
  readonly id: string;
  readonly application: string;
  readonly version: string;
  readonly tag: string;
  readonly tag_object: string;
  readonly commit: string;
  readonly signer: string;
  readonly authors: string | readonly Author[];
  readonly created_by: string;
  readonly created_at: Date;
};

type CandidateRow = {
  readonly release: string;
  readonly revision: number;
  readonly digest: string;
  readonly content: string | CandidateContent;
  readonly created_at: Date;
};

type Tables = {
  release: ReleaseRow;
  candidate: CandidateRow;
};

/** Inserts it; the caller has checked that neither id nor tag exists. */
export async function saveRelease(tx: Transaction, release: Release): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('release')
    .values({
      id: release.id,
      application: release.application,
      version: release.version,
      tag: release.tag,
      tag_object: release.tagObject,
      commit: release.commit,
      signer: release.signer,
      authors: JSON.stringify(release.authors),
      created_by: release.createdBy,
      created_at: release.createdAt,
    })
    .execute();
}

export async function findRelease(reader: Reader, id: string): Promise<Release | undefined> {
  const row = await reader.withTables<Tables>().selectFrom('release').selectAll().where('id', '=', id).executeTakeFirst();
  return row && toRelease(row);
}

export async function findReleaseByTag(reader: Reader, application: string, tag: string): Promise<Release | undefined> {
  const row = await reader
    .withTables<Tables>()
    .selectFrom('release')
    .selectAll()
    .where('application', '=', application)
    .where('tag', '=', tag)
    .executeTakeFirst();
  return row && toRelease(row);
}

/** The newest candidate. */
export async function findCandidate(reader: Reader, release: string): Promise<Candidate | undefined> {
  const row = await reader
    .withTables<Tables>()
    .selectFrom('candidate')
    .selectAll()
    .where('release', '=', release)
    .orderBy('revision', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toCandidate(row);
}

/** Every candidate the release ever had, oldest first. */
export async function listCandidates(reader: Reader, release: string): Promise<readonly Candidate[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('candidate')
    .selectAll()
    .where('release', '=', release)
    .orderBy('revision')
    .limit(1000)
    .execute();
  return rows.map(toCandidate);
}

/** Stores the next revision. Two writers at once: the second fails on the primary key and its transaction is undone. */
export async function saveCandidate(
  tx: Transaction,
  candidate: { readonly release: string; readonly revision: number; readonly content: CandidateContent; readonly at: Date },
): Promise<Candidate> {
  const digest = candidateDigest(candidate.content);
  await tx
    .withTables<Tables>()
    .insertInto('candidate')
    .values({
      release: candidate.release,
      revision: candidate.revision,
      digest,
      content: JSON.stringify(candidate.content),
      created_at: candidate.at,
    })
    .execute();
  return { release: candidate.release, revision: candidate.revision, digest, content: candidate.content, createdAt: candidate.at };
}

function toRelease(row: ReleaseRow): Release {
  return {
    id: row.id,
    application: row.application,
    version: row.version,
    tag: row.tag,
    tagObject: row.tag_object,
    commit: row.commit,
    signer: row.signer,
    authors: row.authors as readonly Author[],
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}

function toCandidate(row: CandidateRow): Candidate {
  return {
    release: row.release,
    revision: row.revision,
    digest: row.digest as Digest,
    content: row.content as CandidateContent,
    createdAt: row.created_at,
  };
}
