export { Application, versionOfTag } from './application.ts';
export { candidateDigest, diffCandidates, stageDigest } from './candidate.ts';
export type { Candidate, CandidateContent } from './candidate.ts';
export { authorshipOf, releaseId } from './release.ts';
export type { Author, Release } from './release.ts';
export { findCandidate, findRelease, findReleaseByTag, listCandidates, saveCandidate, saveRelease } from './release.store.ts';
export { applicationKind } from './application.kind.ts';
