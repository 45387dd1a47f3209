import { constants, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack as createPack } from 'tar-stream';
import type { Pack } from 'tar-stream';
import type { OutputEntry } from './output-folder.ts';

/**
 * A tar archive that depends on names, contents and the executable bit and on nothing else: byte order, owner 0, time 0,
 * mode 0755 or 0644. Two builds of the same files are the same bytes, on any host.
 */
export async function packOutput(folder: string, entries: readonly OutputEntry[], archive: string): Promise<void> {
  const pack = createPack();
  const written = pipeline(pack, createWriteStream(archive, { flags: 'w', mode: 0o600 }));
  try {
    for (const entry of entries) await addEntry(pack, folder, entry);
    pack.finalize();
  } catch (error) {
    pack.destroy(error as Error);
  }
  await written;
}

async function addEntry(pack: Pack, folder: string, entry: OutputEntry): Promise<void> {
  const header: Parameters<Pack['entry']>[0] = {
    name: entry.type === 'directory' ? `${entry.path}/` : entry.path,
    type: entry.type,
    mode: entry.type === 'file' && !entry.executable ? 0o644 : 0o755,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    mtime: new Date(0),
    size: entry.bytes,
    ...(entry.target === undefined ? {} : { linkname: entry.target }),
  };
  if (entry.type !== 'file') {
    await new Promise<void>((resolve, reject) => {
      pack.entry(header, (error) => (error ? reject(error) : resolve()));
    });
    return;
  }
  const file = await open(join(folder, entry.path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    // tar-stream fails when the file's size is not the header's: a file that changed in between is no artifact.
    await pipeline(file.createReadStream({ autoClose: false }), pack.entry(header));
  } finally {
    await file.close();
  }
}
