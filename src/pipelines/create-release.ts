import { Fault } from '../platform/fault.ts';
import type { CommitAuthor, TagInfo } from '../artifacts/index.ts';
import type { Author, Release } from '../planning/index.ts';
import { releaseId } from '../planning/index.ts';

export interface KnownPerson {
  readonly name: string;
  readonly emails: readonly string[];
}

/** Everybody who had a part: commit authors and co-authors, the tag's signer, who asked for the release and the human behind a bot. */
export function authorsOf(parts: {
  readonly commits: readonly CommitAuthor[];
  readonly signer: string;
  readonly requester: KnownPerson;
  readonly onBehalfOf?: string;
  readonly people: readonly KnownPerson[];
}): readonly Author[] {
  const byEmail = new Map(parts.people.flatMap((p) => p.emails.map((e) => [e.toLowerCase(), p.name] as const)));
  const principalOf = (text: string) => parts.people.find((p) => p.name === text)?.name ?? byEmail.get(text.toLowerCase());
  const emails = [...new Set(parts.commits.map((c) => c.email.toLowerCase()))];
  const commits: Author[] = emails.map((email) => ({ part: 'commit', email, ...named(byEmail.get(email)) }));
  const signer: Author = { part: 'tag', principal: principalOf(parts.signer) ?? parts.signer };
  const requesters: Author[] = [parts.requester.name, ...(parts.onBehalfOf ? [parts.onBehalfOf] : [])].map((principal) => ({
    part: 'request',
    principal,
  }));
  return [...commits, signer, ...requesters];
}

function named(principal: string | undefined): { readonly principal?: string } {
  return principal === undefined ? {} : { principal };
}

export interface NewRelease {
  readonly application: string;
  readonly version: string;
  readonly tag: TagInfo;
  readonly authors: readonly Author[];
  readonly createdBy: string;
  readonly at: Date;
}

export function newRelease(parts: NewRelease): Release {
  const { application, version, tag } = parts;
  return {
    id: releaseId(application, version),
    application,
    version,
    tag: tag.name,
    tagObject: tag.tagObject,
    commit: tag.commit,
    signer: tag.signer,
    authors: parts.authors,
    createdBy: parts.createdBy,
    createdAt: parts.at,
  };
}

/** A tag names one release for ever: seen again with another object it was moved, which is an incident and not a new release. */
export function refuseKnownTag(known: Release, tag: TagInfo): never {
  if (known.tagObject === tag.tagObject) {
    throw new Fault({
      code: 'release.exists',
      status: 409,
      message: `${known.id} exists already, made from this very tag`,
      remedy: `Look at it: tidegate status ${known.id}`,
      extra: { release: known.id },
    });
  }
  throw new Fault({
    code: 'tag.moved',
    status: 422,
    message: `expected the tag ${known.tag} to be ${known.tagObject}, as when ${known.id} was made; it is now ${tag.tagObject}`,
    remedy: 'Put the tag back and find out who moved it; release the other commit under a new version.',
    extra: { expected: known.tagObject, got: tag.tagObject },
  });
}
