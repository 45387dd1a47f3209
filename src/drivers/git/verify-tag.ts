import type { SourceRepository, TagInfo } from '../../artifacts/source.port.ts';
import { runGit } from './git.ts';
import { cacheFault, fetchObjects, listReferences, openMirror, readMirror } from './mirror.ts';
import type { Mirror } from './mirror.ts';
import { isReferenceName } from './repository-address.ts';
import { tagFault } from './tag-fault.ts';
import type { TagObject } from './tag-object.ts';
import { parseTagObject } from './tag-object.ts';
import { verifySignature } from './tag-signature.ts';

type Request = Parameters<SourceRepository['verifyTag']>[0];

/** Asks the repository now, takes the signed bytes apart, and believes only what they say. */
export async function verifyTag(cacheFolder: string, request: Request): Promise<TagInfo> {
  const { tag } = request;
  if (!isReferenceName(tag)) throw tagFault('tag.malformed', `expected a tag name, got ${JSON.stringify(tag.slice(0, 100))}`);
  const branches = request.protectedBranches.filter(isReferenceName);
  const mirror = await openMirror(cacheFolder, request.repository);
  const heads = branches.map((branch) => `refs/heads/${branch}`);
  const found = await listReferences(mirror, [`refs/tags/${tag}`, ...heads]);
  const tagObject = found.get(`refs/tags/${tag}`);
  if (tagObject === undefined) throw tagFault('tag.unknown', `expected the tag ${tag} in the repository, got none of that name`);
  const tips = heads.flatMap((head) => found.get(head) ?? []);
  await fetchObjects(mirror, [tagObject, ...new Set(tips)]);
  const opened = await openTag(mirror, tag, tagObject);
  const signer = await signerOf(opened, request);
  if (!(await isReachable(mirror, opened.object, tips))) {
    throw tagFault(
      'tag.unreachable',
      `expected the commit of ${tag} on ${request.protectedBranches.join(' or ')}, got ${opened.object.slice(0, 12)}, which is on none`,
    );
  }
  return { name: tag, tagObject, commit: opened.object, signer, message: opened.message };
}

async function openTag(mirror: Mirror, tag: string, tagObject: string): Promise<TagObject> {
  const type = (await readMirror(mirror, ['cat-file', '-t', tagObject])).toString('utf8').trim();
  if (type !== 'tag')
    throw tagFault('tag.lightweight', `expected ${tag} to be an annotated tag, got a lightweight one that names a ${type}`);
  const opened = parseTagObject(await readMirror(mirror, ['cat-file', 'tag', tagObject], 1024 * 1024));
  if (opened === undefined) throw tagFault('tag.malformed', `expected ${tag} to be a well-formed tag object, got something else`);
  return opened;
}

async function signerOf(opened: TagObject, { tag, allowedSigners }: Request): Promise<string> {
  if (opened.signature === undefined) {
    const got = opened.signatureKind === undefined ? 'no signature' : 'a signature of another kind';
    throw tagFault('tag.unsigned', `expected an ssh signature on ${tag}, got ${got}`);
  }
  const signer = await verifySignature({ payload: opened.payload, signature: opened.signature, allowedSigners });
  if (signer === undefined)
    throw tagFault('tag.untrusted-signer', `expected ${tag} to be signed by an allowed signer, got another key or a broken signature`);
  if (opened.name !== tag)
    throw tagFault('tag.misnamed', `expected the signed tag to say ${tag}, got ${JSON.stringify(opened.name.slice(0, 100))}`);
  if (opened.type !== 'commit') throw tagFault('tag.not-a-commit', `expected ${tag} to name a commit, got a ${opened.type}`);
  return signer;
}

async function isReachable(mirror: Mirror, commit: string, tips: readonly string[]): Promise<boolean> {
  for (const tip of tips) {
    const answer = await runGit(['merge-base', '--is-ancestor', commit, tip], { gitDirectory: mirror.gitDirectory, timeoutMs: 120_000 });
    if (answer.exitCode === 0) return true;
    if (answer.exitCode !== 1) throw cacheFault(answer.stderr);
  }
  return false;
}
