import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, realpath, symlink } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { Fault } from '../../platform/fault.ts';

const maxEntries = 100_000;
const maxUnpackedBytes = 2_147_483_648;

/**
 * Unpacks a tar archive into `directory`, which must be new. Only files, folders and links that stay inside come out: no
 * absolute path, no `..`, no device, no hard link, nothing written through a link, nothing twice, no set-uid bits.
 * Fault `artifact.unsafe` or `artifact.too-large` (422) otherwise; what was unpacked until then is the caller's to remove.
 */
export async function unpackArchive(archive: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  // An archive that ends in the middle of a file leaves that file's stream open for ever, so it is cut off from outside.
  const broken = new AbortController();
  const unpacking: Unpacking = { root: await realpath(directory), seen: new Set(), links: new Map(), bytes: 0, broken: broken.signal };
  const entries = extract();
  const feeding = pipeline(createReadStream(archive), entries).catch((error: unknown) => broken.abort(error));
  try {
    for await (const entry of entries) {
      await unpackEntry(unpacking, entry.header, entry as unknown as Readable);
      entry.resume();
    }
  } catch (cause) {
    if (cause instanceof Fault || (cause as NodeJS.ErrnoException).code === 'ENOSPC') throw cause;
    const reason: unknown = broken.signal.aborted ? broken.signal.reason : cause;
    throw unsafe('a readable tar archive', reason instanceof Error ? reason.message : 'something else');
  }
  await feeding;
  await makeLinks(unpacking);
}

interface Unpacking {
  readonly root: string;
  readonly seen: Set<string>;
  readonly links: Map<string, string>;
  bytes: number;
  readonly broken: AbortSignal;
}

async function unpackEntry(unpacking: Unpacking, header: Header, content: Readable): Promise<void> {
  const name = safeName(header.name);
  if (name === '.') return;
  if (unpacking.seen.size >= maxEntries) throw tooLarge(`${maxEntries} entries`);
  if (unpacking.seen.has(name) && header.type !== 'directory') throw unsafe('each path once', `${name} twice`);
  unpacking.seen.add(name);
  for (let parent = posix.dirname(name); parent !== '.'; parent = posix.dirname(parent)) {
    if (unpacking.links.has(parent)) throw unsafe('no path through a link', name);
  }
  const path = join(unpacking.root, name);
  if (header.type === 'directory') {
    if (unpacking.links.has(name)) throw unsafe('each path once', `${name} twice`);
    await mkdir(path, { recursive: true, mode: 0o755 });
  } else if (header.type === 'symlink') unpacking.links.set(name, safeTarget(name, header.linkname));
  else if (header.type === 'file' || header.type === 'contiguous-file') {
    unpacking.bytes += header.size;
    if (unpacking.bytes > maxUnpackedBytes) throw tooLarge(`${maxUnpackedBytes} bytes`);
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // 'wx' does not follow a link and does not overwrite.
    await pipeline(content, createWriteStream(path, { flags: 'wx', mode: (header.mode & 0o755) | 0o600 }), { signal: unpacking.broken });
  } else throw unsafe('files, folders and links only', `${name} of type ${header.type}`);
}

/** Links come last, when nothing can be written through them any more; then each must really lead inside. */
async function makeLinks({ root, links }: Unpacking): Promise<void> {
  for (const [name, target] of links) {
    await mkdir(dirname(join(root, name)), { recursive: true, mode: 0o755 });
    await symlink(target, join(root, name));
  }
  for (const name of links.keys()) {
    // Looking at names is not enough: `a -> .` and `b -> a/../..` each stay inside by name and lead out together.
    const end = await realpath(join(root, name)).catch(() => undefined);
    if (end === undefined || (end !== root && !end.startsWith(root + sep))) throw unsafe('links that lead to something inside', name);
  }
}

function safeName(name: string): string {
  const normal = posix.normalize(name).replace(/\/+$/, '');
  const isSafe =
    name !== '' && !name.includes('\0') && !posix.isAbsolute(name) && !name.split('/').includes('..') && Buffer.byteLength(name) <= 1_000;
  if (!isSafe) throw unsafe('relative paths inside the archive', JSON.stringify(name.slice(0, 200)));
  return normal === '' ? '.' : normal;
}

function safeTarget(name: string, target: string): string {
  const end = posix.normalize(posix.join(posix.dirname(name), target));
  if (target === '' || target.includes('\0') || posix.isAbsolute(target) || end === '..' || end.startsWith('../')) {
    throw unsafe('links that stay inside', `${name} -> ${target.slice(0, 200)}`);
  }
  return target;
}

function unsafe(expected: string, got: string): Fault {
  return new Fault({
    code: 'artifact.unsafe',
    status: 422,
    message: `expected ${expected} in the archive, got ${got}`,
    remedy: 'Pack only plain files, folders and links that stay inside.',
  });
}

function tooLarge(limit: string): Fault {
  return new Fault({ code: 'artifact.too-large', status: 422, message: `expected an archive of at most ${limit} when unpacked, got more` });
}
