import { join } from 'node:path';
import type { CommitAuthor, SourceRepository } from '../../artifacts/source.port.ts';
import { containedParts } from '../../platform/contained-path.ts';
import { Fault } from '../../platform/fault.ts';
import { checkout } from './checkout.ts';
import { authorFormat, parseAuthors } from './commit-author.ts';
import { fetchObjects, listReferences, missingObjects, openMirror, readMirror } from './mirror.ts';
import type { Mirror } from './mirror.ts';
import { isObjectName } from './repository-address.ts';
import { verifyTag } from './verify-tag.ts';

const mostFileBytes = 1024 * 1024;

/**
 * Git repositories by absolute path, https, ssh or file address, read through a local copy under `home`/cache/git.
 * Needs git ≥ 2.34 and ssh-keygen ≥ 8.9 on the PATH; takes no configuration of theirs.
 */
export function createGitSource(settings: { readonly home: string }): SourceRepository {
  const cacheFolder = join(settings.home, 'cache', 'git');
  return {
    verifyTag: (request) => verifyTag(cacheFolder, request),
    listAuthors: async ({ repository, commit, since }) => {
      const mirror = await withCommits(cacheFolder, repository, since === undefined ? [commit] : [commit, since]);
      return listAuthors(mirror, commit, since);
    },
    checkout: async ({ repository, commit, directory }) =>
      checkout(await withCommits(cacheFolder, repository, [commit]), commit, directory),
    readFile: async ({ repository, commit, path }) => readFileAt(await withCommits(cacheFolder, repository, [commit]), commit, path),
  };
}

/** The mirror, with these commits in it: fetched only when they are missing. */
async function withCommits(cacheFolder: string, repository: string, commits: readonly string[]): Promise<Mirror> {
  const malformed = commits.find((commit) => !isObjectName(commit));
  if (malformed !== undefined) throw unknownCommit(`expected a full commit hash, got ${JSON.stringify(malformed.slice(0, 100))}`);
  const mirror = await openMirror(cacheFolder, repository);
  if ((await missingObjects(mirror, commits)).length > 0) await fetchCommits(mirror, commits);
  for (const commit of commits) {
    const type = (await readMirror(mirror, ['cat-file', '-t', commit])).toString('utf8').trim();
    if (type !== 'commit') throw unknownCommit(`expected ${commit} to be a commit, got a ${type}`);
  }
  return mirror;
}

/** A repository that answers and still does not send a commit does not have it: trying again would not help. */
async function fetchCommits(mirror: Mirror, commits: readonly string[]): Promise<void> {
  try {
    await fetchObjects(mirror, commits);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'source.unavailable') throw error;
    await listReferences(mirror, ['HEAD']);
    throw unknownCommit(`expected ${commits.join(' and ')} in the repository, got a repository without`);
  }
}

async function listAuthors(mirror: Mirror, commit: string, since: string | undefined): Promise<readonly CommitAuthor[]> {
  const range = since === undefined ? [commit] : [commit, `^${since}`];
  const log = await readMirror(mirror, [
    'log',
    '-z',
    '--no-mailmap',
    '--no-show-signature',
    '--encoding=UTF-8',
    authorFormat,
    '--end-of-options',
    ...range,
  ]);
  return parseAuthors(log.toString('utf8'));
}

/** Undefined for a folder, link or submodule too: a caller wants the text of a file that is in the commit. */
async function readFileAt(mirror: Mirror, commit: string, path: string): Promise<string | undefined> {
  if (containedParts(path) === undefined) return undefined;
  const entry = (await readMirror(mirror, ['ls-tree', '-z', '--full-tree', commit, '--', path])).toString('utf8');
  const [, object] = /^100(?:644|664|755) blob ([0-9a-f]+)\t/.exec(entry) ?? [];
  if (object === undefined) return undefined;
  return (await readMirror(mirror, ['cat-file', 'blob', object], mostFileBytes)).toString('utf8');
}

function unknownCommit(message: string): Fault {
  return new Fault({ code: 'source.unknown-commit', status: 422, message, remedy: 'Name a commit of this repository by its full hash.' });
}
