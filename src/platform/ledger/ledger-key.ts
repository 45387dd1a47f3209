import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault } from '../fault.ts';
import { isKeyName, noteSigner, type NoteSigner } from './signed-note.ts';

export interface LedgerKeyOptions {
  /** The data directory (TIDEGATE_HOME). The key is `keys/ledger.key` in it: PKCS#8, mode 0600. */
  readonly home: string;
  /** Names the ledger in its checkpoints for ever: a URL without scheme, such as `releases.example.com/ledger`. */
  readonly origin?: string;
}

export const DEFAULT_ORIGIN = 'tidegate.local/ledger';

/**
 * The key that signs checkpoints; made on first use. Safe when several processes start at once: one wins, all sign alike.
 * Every process that may run the sequencer of one database needs the same key file. Faults: `ledger.origin`,
 * `ledger.key-unreadable`, `ledger.key-exposed`.
 */
export async function loadLedgerKey({ home, origin = DEFAULT_ORIGIN }: LedgerKeyOptions): Promise<NoteSigner> {
  if (!isKeyName(origin)) {
    throw new Fault({
      code: 'ledger.origin',
      message: `expected a ledger origin without spaces and plus signs, got "${origin}"`,
      remedy: 'choose a URL without scheme, such as releases.example.com/ledger',
    });
  }
  const path = join(home, 'keys', 'ledger.key');
  await makeKey(path);
  return noteSigner(origin, await readKey(path));
}

/** The verifier key (vkey) of a data directory; undefined when it has no ledger key. Makes none. */
export async function findVerifierKey(options: LedgerKeyOptions): Promise<string | undefined> {
  const there = await stat(join(options.home, 'keys', 'ledger.key')).catch(() => undefined);
  return there && (await loadLedgerKey(options)).verifierKey;
}

async function makeKey(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ed25519');
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flush: true });
    // link, unlike rename, leaves a key alone that another process made meanwhile.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unreadable(path, error);
  } finally {
    await rm(draft, { force: true });
  }
}

async function readKey(path: string): Promise<KeyObject> {
  const { mode } = await stat(path).catch((error: unknown) => Promise.reject(unreadable(path, error)));
  if ((mode & 0o077) !== 0) {
    throw new Fault({
      code: 'ledger.key-exposed',
      message: `expected only its owner to read ${path}, got mode ${(mode & 0o777).toString(8)}`,
      remedy: `find out who could have read it; then chmod 600 ${path}`,
    });
  }
  try {
    const key = createPrivateKey(await readFile(path));
    if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`expected an Ed25519 key, got ${key.asymmetricKeyType}`);
    return key;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): Fault {
  return new Fault({
    code: 'ledger.key-unreadable',
    message: `expected an Ed25519 private key in ${path}, got: ${cause instanceof Error ? cause.message : String(cause)}`,
    remedy: 'restore the key from its backup; without it no further checkpoint of this ledger can be signed',
    cause,
  });
}
