import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { containedParts, isContainedLink } from '../../platform/contained-path.ts';
import { Fault } from '../../platform/fault.ts';
import type { FaultItem } from '../../platform/fault.ts';

export interface OutputEntry {
  /** Relative, with slashes. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly executable: boolean;
  readonly bytes: number;
  readonly target?: string;
}

const mostEntries = 200_000;

/**
 * Everything in the output folder in byte order of its path. All faults at once: links that lead out, sockets, devices,
 * names that are not UTF-8 (`build.unsafe-output`); `build.no-output` when it is missing or empty.
 */
export async function listOutput(directory: string, output: string): Promise<readonly OutputEntry[]> {
  await checkFolder(directory, output);
  const faults: FaultItem[] = [];
  const entries = await walk(join(directory, output), (detail) => faults.push({ detail }));
  if (faults.length > 0) throw unsafeOutput(faults);
  if (entries.length === 0) throw noOutput(`expected the build to write files into ${output}, got an empty folder`);
  if (entries.length > mostEntries)
    throw unsafeOutput([{ detail: `expected at most ${mostEntries} files in ${output}, got ${entries.length}` }]);
  return entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** Bytes in the folder now, as good as can be said while somebody writes. Stops counting beyond `enough`. */
export async function measureOutput(directory: string, output: string, enough: number): Promise<number> {
  let bytes = 0;
  const folders = [join(directory, output)];
  for (let folder = folders.pop(); folder !== undefined && bytes <= enough; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile())
        bytes += await lstat(path).then(
          (found) => found.size,
          () => 0,
        );
    }
  }
  return bytes;
}

/** No part of the way to the folder may be a link: it could lead anywhere. */
async function checkFolder(directory: string, output: string): Promise<void> {
  const parts = containedParts(output);
  if (parts === undefined)
    throw unsafeOutput([{ detail: `expected a folder inside the checkout as output, got ${JSON.stringify(output)}` }]);
  let path = directory;
  for (const part of parts) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) throw noOutput(`expected the build to write ${output}, got no such folder`);
    if (found.isSymbolicLink()) throw unsafeOutput([{ detail: `expected ${output} to be a folder, got a link on the way to it` }]);
    if (!found.isDirectory()) throw noOutput(`expected ${output} to be a folder, got a file`);
  }
}

async function walk(root: string, refuse: (detail: string) => void): Promise<OutputEntry[]> {
  const entries: OutputEntry[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of await readdir(join(root, folder), { encoding: 'buffer' })) {
      const path = folder === '' ? name.toString('utf8') : `${folder}/${name.toString('utf8')}`;
      if (!Buffer.from(name.toString('utf8')).equals(name) || containedParts(path) === undefined) {
        refuse(`expected plain UTF-8 names in the output, got ${JSON.stringify(path)}`);
        continue;
      }
      const entry = await describe(root, path, refuse);
      if (entry !== undefined) entries.push(entry);
      if (entry?.type === 'directory') folders.push(path);
      if (entries.length > mostEntries) return entries;
    }
  }
  return entries;
}

async function describe(root: string, path: string, refuse: (detail: string) => void): Promise<OutputEntry | undefined> {
  const found = await lstat(join(root, path));
  const common = { path, executable: (found.mode & 0o111) !== 0, bytes: 0 };
  if (found.isDirectory()) return { ...common, type: 'directory' };
  if (found.isFile()) return { ...common, type: 'file', bytes: found.size };
  if (!found.isSymbolicLink()) {
    refuse(`expected files, folders and links in the output, got a special file ${JSON.stringify(path)}`);
    return undefined;
  }
  const target = await readlink(join(root, path));
  if (!isContainedLink(path, target)) {
    refuse(`expected the link ${JSON.stringify(path)} to stay inside the output, got ${JSON.stringify(target.slice(0, 200))}`);
    return undefined;
  }
  return { ...common, type: 'symlink', target };
}

function unsafeOutput(faults: readonly FaultItem[]): Fault {
  return new Fault({
    code: 'build.unsafe-output',
    status: 422,
    message: faults[0]?.detail ?? 'expected a safe output folder',
    remedy: 'Let the build write plain files, and links with a relative target inside the folder.',
    faults: faults.slice(0, 100),
  });
}

function noOutput(message: string): Fault {
  return new Fault({
    code: 'build.no-output',
    status: 422,
    message,
    remedy: 'Correct build.output of the Application, or the build command.',
  });
}
