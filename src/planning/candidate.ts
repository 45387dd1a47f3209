import type { Digest, Json } from '../platform/digest.ts';
import { digestOfJson } from '../platform/digest.ts';

/**
 * A release candidate: everything an approval, a verification or an exception speaks about. Its digest is the SHA-256
 * of the RFC 8785 form, so one changed byte is another candidate and voids what was said about the old one.
 */
export interface CandidateContent {
  readonly application: string;
  readonly version: string;
  readonly commit: string;
  /** Archive digest by artifact name. */
  readonly artifacts: Readonly<Record<string, string>>;
  /** Effective configuration by environment: defaults, then what the environment overrides. */
  readonly configuration: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Schema migrations in order; none yet. */
  readonly migrations: readonly string[];
  /** The stages as they will run, by stage name. */
  readonly plan: { readonly [stage: string]: Json };
  readonly rollbackCriteria: readonly Json[];
}

export interface Candidate {
  readonly release: string;
  /** 1 for the first candidate of a release, rising with each revision. */
  readonly revision: number;
  readonly digest: Digest;
  readonly content: CandidateContent;
  readonly createdAt: Date;
}

export function candidateDigest(content: CandidateContent): Digest {
  return digestOfJson(content);
}

/** The part of the candidate one stage rests on: evidence gathered there stays good while this digest stays. */
export function stageDigest(content: CandidateContent, stage: string, environment: string): Digest {
  return digestOfJson({
    artifacts: content.artifacts,
    configuration: content.configuration[environment] ?? {},
    migrations: content.migrations,
    plan: content.plan[stage] ?? null,
    rollbackCriteria: content.rollbackCriteria,
  });
}

export interface CandidateDifference {
  /** RFC 6901 pointer into the candidate's content. */
  readonly pointer: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/** Every leaf that differs, in pointer order. Empty exactly when the digests are equal. */
export function diffCandidates(before: CandidateContent, after: CandidateContent): readonly CandidateDifference[] {
  return diff(before as unknown as Json, after as unknown as Json, '').sort((a, b) => (a.pointer < b.pointer ? -1 : 1));
}

function diff(before: Json | undefined, after: Json | undefined, pointer: string): CandidateDifference[] {
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) =>
      diff(child(before, key), child(after, key), `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
    );
  }
  if (before === after) return [];
  if (before !== undefined && after !== undefined && digestOfJson(before) === digestOfJson(after)) return [];
  return [{ pointer, before, after }];
}

function isBranch(value: Json | undefined): value is readonly Json[] | { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

function child(value: readonly Json[] | { readonly [key: string]: Json | undefined }, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? (value as { readonly [key: string]: Json })[key] : undefined;
}
