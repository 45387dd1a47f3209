import { containedParts, isContainedLink } from '../../platform/contained-path.ts';
import { Fault } from '../../platform/fault.ts';
import type { FaultItem } from '../../platform/fault.ts';
import { tooLarge } from './git.ts';

export interface TreeFile {
  readonly path: string;
  readonly object: string;
  readonly executable: boolean;
  readonly bytes: number;
}

export interface Tree {
  readonly files: readonly TreeFile[];
  /** Blobs whose content is the target. */
  readonly links: readonly TreeFile[];
}

/** Enough for any sane source tree; a build of more is better served by a package registry. */
const mostEntries = 200_000;
const mostBytes = 2 * 1024 * 1024 * 1024;

/** Reads `git ls-tree -r -l -z`. All faults at once: submodules, paths that lead out, unknown kinds (`source.unsafe-tree`). */
export function parseTree(listing: Buffer): Tree {
  const files: TreeFile[] = [];
  const links: TreeFile[] = [];
  const faults: FaultItem[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const record of listing.toString('utf8').split('\0')) {
    if (record === '') continue;
    const tab = record.indexOf('\t');
    const [mode = '', type = '', object = '', size = ''] = record.slice(0, tab).split(/ +/);
    const entry = { path: record.slice(tab + 1), object, executable: mode === '100755', bytes: Number(size) };
    const problem = problemOf(entry.path, mode, type) ?? (seen.has(entry.path) ? `expected ${entry.path} once, got it twice` : undefined);
    seen.add(entry.path);
    if (problem !== undefined) faults.push({ detail: problem });
    else if (mode === '120000') links.push(entry);
    else files.push(entry);
    bytes += type === 'blob' ? entry.bytes : 0;
  }
  if (faults.length > 0) throw unsafeTree(faults);
  if (seen.size > mostEntries || bytes > mostBytes) {
    throw tooLarge(
      `expected a source tree of at most ${mostEntries} files and ${mostBytes} bytes, got ${seen.size} files and ${bytes} bytes`,
    );
  }
  return { files, links };
}

function problemOf(path: string, mode: string, type: string): string | undefined {
  const parts = containedParts(path);
  if (type === 'commit')
    return `expected files, got a submodule at ${JSON.stringify(path)}: submodules are not supported, vendor its files instead`;
  if (parts === undefined || path.includes('\uFFFD')) return `expected a path inside the tree, got ${JSON.stringify(path)}`;
  if (parts.some((part) => part.toLowerCase() === '.git')) return `expected no .git in the tree, got ${JSON.stringify(path)}`;
  if (!['100644', '100664', '100755', '120000'].includes(mode))
    return `expected a file or link, got mode ${mode} at ${JSON.stringify(path)}`;
  return undefined;
}

/** All links of the tree with their targets; those that lead out are refused together. */
export function checkLinks(links: readonly { readonly path: string; readonly target: string }[]): void {
  const faults = links
    .filter(({ path, target }) => !isContainedLink(path, target))
    .map(({ path, target }) => ({
      detail: `expected the link ${JSON.stringify(path)} to stay inside the tree, got ${JSON.stringify(target.slice(0, 200))}`,
    }));
  if (faults.length > 0) throw unsafeTree(faults);
}

function unsafeTree(faults: readonly FaultItem[]): Fault {
  return new Fault({
    code: 'source.unsafe-tree',
    status: 422,
    message: faults[0]?.detail ?? 'expected a safe source tree',
    remedy: 'Correct the commit and tag a new version.',
    faults: faults.slice(0, 100),
  });
}
