import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../platform/fault.ts';
import { complaint, runGit } from './git.ts';
import { checkRepositoryAddress, isObjectName } from './repository-address.ts';

/**
 * A local bare copy of one repository, a cache: delete it whenever you like. Any number of processes may use it at once
 * and be killed at any instant, because nothing in it is ever changed: objects only come (whole packs, renamed into
 * place), and its references are named by the object they hold, so two writers write the same and a stale lock file
 * costs one reference that only speeds up the next fetch.
 */
export interface Mirror {
  readonly gitDirectory: string;
  readonly address: string;
}

const fetchTimeoutMs = 300_000;
const abandonedAfterMs = 3_600_000;

/** The mirror's folder under `folder`, made when it is not there. Idempotent. */
export async function openMirror(folder: string, repository: string): Promise<Mirror> {
  const address = checkRepositoryAddress(repository);
  const name = createHash('sha256').update(address).digest('hex').slice(0, 40);
  const gitDirectory = join(folder, `${name}.git`);
  if (!(await exists(gitDirectory))) await create(folder, gitDirectory);
  return { gitDirectory, address };
}

async function create(folder: string, gitDirectory: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeAbandoned(folder, (name) => name.endsWith('.new'));
  const beside = join(folder, `${randomUUID()}.new`);
  const made = await runGit(['init', '--quiet', '--bare', '--template=', '--', beside]);
  if (made.exitCode !== 0) throw cacheFault(made.stderr);
  try {
    await rename(beside, gitDirectory);
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    // Another process was quicker; its mirror is as good.
    if (!(await exists(gitDirectory))) throw error;
  }
}

/** What the repository's references (full names) point to now, asked of the repository itself; `^{}` gives a tag's commit. */
export async function listReferences(mirror: Mirror, references: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const answer = await runGit(['ls-remote', '--quiet', '--end-of-options', mirror.address, ...references], { timeoutMs: 60_000 });
  if (answer.exitCode !== 0) throw unavailable(answer.stderr);
  const found = new Map<string, string>();
  for (const line of answer.stdout.toString('utf8').split('\n')) {
    const [object = '', name = ''] = line.split('\t');
    if (isObjectName(object) && references.includes(name)) found.set(name, object);
  }
  return found;
}

/** Brings these objects and all they reach into the mirror, unless they are there. Idempotent. */
export async function fetchObjects(mirror: Mirror, objects: readonly string[]): Promise<void> {
  const missing = await missingObjects(mirror, objects);
  if (missing.length === 0) return;
  await removeAbandoned(join(mirror.gitDirectory, 'objects', 'pack'), (name) => name.startsWith('tmp_'));
  const answer = await runGit(
    [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--no-recurse-submodules',
      '--refmap=',
      '--end-of-options',
      mirror.address,
      ...missing,
    ],
    { gitDirectory: mirror.gitDirectory, timeoutMs: fetchTimeoutMs },
  );
  if (answer.exitCode !== 0) throw unavailable(answer.stderr);
  const left = await missingObjects(mirror, missing);
  if (left.length > 0) throw unavailable(`fatal: the repository did not send ${left[0]}`);
  // Best effort: the next fetch tells the repository what we have, and gets only the rest.
  for (const object of missing)
    await runGit(['update-ref', '--end-of-options', `refs/kept/${object}`, object], { gitDirectory: mirror.gitDirectory });
}

/** Which of these are not in the mirror. */
export async function missingObjects(mirror: Mirror, objects: readonly string[]): Promise<readonly string[]> {
  const answer = await runGit(['cat-file', '--batch-check'], { gitDirectory: mirror.gitDirectory, input: `${objects.join('\n')}\n` });
  if (answer.exitCode !== 0) throw cacheFault(answer.stderr);
  return answer.stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => (line.endsWith(' missing') ? [line.slice(0, -' missing'.length)] : []));
}

/** Runs git in the mirror and gives its answer; an exit status other than 0 is Fault `source.cache`. */
export async function readMirror(mirror: Mirror, args: readonly string[], maxBytes?: number): Promise<Buffer> {
  const answer = await runGit(args, {
    gitDirectory: mirror.gitDirectory,
    timeoutMs: 120_000,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  if (answer.exitCode !== 0) throw cacheFault(answer.stderr);
  return answer.stdout;
}

/** What a killed process left: old enough that nobody can still be writing it. */
async function removeAbandoned(folder: string, mayGo: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  for (const name of names.filter(mayGo)) {
    const path = join(folder, name);
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function unavailable(stderr: string): Fault {
  return new Fault({
    code: 'source.unavailable',
    status: 502,
    retryable: true,
    message: `expected the repository to answer, got: ${complaint(stderr)}`,
    remedy: "Check spec.repository of the Application, that its host is up, and that the platform's user may read it.",
  });
}

export function cacheFault(stderr: string): Fault {
  return new Fault({
    code: 'source.cache',
    status: 500,
    retryable: true,
    message: `expected the local copy of the repository to be readable, got: ${complaint(stderr)}`,
    remedy: 'Delete the folder cache/git of the data directory; it is made again.',
  });
}
