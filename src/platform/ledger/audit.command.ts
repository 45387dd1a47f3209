import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import pc from 'picocolors';
import { connectDatabase } from '../database/connect.ts';
import type { Database } from '../database/database.ts';
import { locateDatabase } from '../database/locate.ts';
import { Fault } from '../fault.ts';
import { parseSettings } from '../settings.ts';
import { exportLedger, exportTiles } from './export.store.ts';
import { proveFromExport, verifierOf, verifyExport, verifyTiles } from './export.reader.ts';
import { DEFAULT_ORIGIN, findVerifierKey } from './ledger-key.ts';
import { inclusionProof } from './ledger.store.ts';
import { formatProof, openProof, parseProof, type Proof } from './proof.ts';
import { verifyLedger } from './verify.store.ts';
import type { Verification } from './verify.ts';

const EXIT = { verified: 0, failed: 1, unreadable: 2 } as const;

interface Source {
  readonly file?: string;
  readonly tiles?: string;
  readonly databaseUrl?: string;
}

interface VerifyFlags extends Source {
  readonly proof?: string;
  readonly entry?: string;
  readonly key?: string;
  readonly checkpoint?: readonly string[];
  readonly origin?: string;
  readonly json?: boolean;
}

/** `tidegate audit`: none of it needs a server, and verifying a file needs no database either. Exit 0 verified, 1 failed, 2 unreadable. */
export function auditCommands(program: Command): void {
  const audit = program.command('audit').description('The ledger: verify it, export it, prove an entry');
  const database = new Option(
    '--database-url <url>',
    'the ledger in this database (default: DATABASE_URL, or the one under TIDEGATE_HOME)',
  );
  const origin = new Option('--origin <name>', 'name of the ledger').default(DEFAULT_ORIGIN);
  audit
    .command('verify')
    .description('Check every entry against the signed checkpoints and name the first bad one')
    .addOption(new Option('--file <export>', 'an export of JSON lines; no database is needed').conflicts(['tiles', 'databaseUrl', 'proof']))
    .addOption(new Option('--tiles <folder>', 'a folder of tlog-tiles; no database is needed').conflicts(['file', 'databaseUrl', 'proof']))
    .addOption(
      new Option('--proof <receipt>', 'a .tlog-proof of one entry; no database is needed').conflicts(['file', 'databaseUrl', 'tiles']),
    )
    .option('--entry <file>', 'with --proof: the entry it is to prove (default: the one the receipt carries)')
    .addOption(database)
    .option('--key <vkey>', 'who must have signed: name+id+base64')
    .option('--checkpoint <file...>', 'checkpoints you kept: the ledger must still contain them')
    .addOption(origin)
    .option('--json', 'machine-readable')
    .action(guarded(verify));
  audit
    .command('export')
    .description('Write the ledger for an auditor')
    .option('--out <export>', 'file of JSON lines to write (default: standard output, unless --tiles is given)')
    .option('--tiles <folder>', 'a folder of tlog-tiles for public tooling; may be repeated over an earlier one')
    .addOption(database)
    .option('--key <vkey>', 'the ledger’s verifier key, to be named in the export (default: of this data directory)')
    .addOption(origin)
    .option('--json', 'machine-readable')
    .action(guarded(writeExport));
  audit
    .command('prove <index>')
    .description('Write the receipt of an entry (c2sp.org/tlog-proof), verified offline with the key alone')
    .addOption(new Option('--file <export>', 'from an export of JSON lines').conflicts('databaseUrl'))
    .addOption(database)
    .option('--out <receipt>', 'file to write (default: standard output)')
    .action(guarded(prove));
}

async function verify(flags: VerifyFlags): Promise<void> {
  if (flags.proof !== undefined) return verifyReceipt(flags.proof, flags);
  const report = await verification(flags);
  const { finding } = report;
  if (flags.json === true)
    print(JSON.stringify({ ...report, ...(finding && { firstBadIndex: finding.firstBadIndex ?? finding.within?.from ?? null }) }));
  else printReport(report);
  process.exitCode = EXIT[report.verdict];
}

type Report = Verification & { readonly key: string; readonly keyFrom: 'given' | 'home' | 'export' };

async function verification(flags: VerifyFlags): Promise<Report> {
  const anchors = await Promise.all((flags.checkpoint ?? []).map((file) => readText(file)));
  const given = flags.key === undefined ? {} : { verifierKey: flags.key };
  if (flags.file !== undefined) return verifyExport(flags.file, { ...given, anchors });
  const verifierKey = await pinnedKey(flags);
  const keyFrom = flags.key === undefined ? 'home' : 'given';
  if (flags.tiles !== undefined) return { ...(await verifyTiles(flags.tiles, { verifierKey, anchors })), keyFrom };
  verifierOf(verifierKey);
  const found = await withDatabase(flags, (db) => verifyLedger(db, { verifierKey, anchors }));
  return { ...found, key: verifierKey, keyFrom };
}

async function verifyReceipt(path: string, flags: VerifyFlags): Promise<void> {
  const proof = await readProof(path);
  const leaf = flags.entry === undefined ? proof.extra : await readText(flags.entry);
  if (leaf === undefined) throw unusable('the receipt carries no entry', 'name the entry with --entry FILE');
  const key = await pinnedKey(flags);
  const checkpoint = openProof(proof, leaf, verifierOf(key));
  const sentence = checkpoint
    ? `entry ${proof.index} is in the ledger ${checkpoint.origin}, under its checkpoint of ${checkpoint.size} entries`
    : `the receipt does not prove this entry under ${key}`;
  const verdict = checkpoint ? 'verified' : 'failed';
  if (flags.json === true)
    print(JSON.stringify({ verdict, index: proof.index, size: checkpoint?.size, key, entry: leaf.toString(), sentence }));
  else print(`${coloured(verdict)}: ${sentence}\n${checkpoint ? leaf.toString() : ''}`);
  process.exitCode = EXIT[verdict];
}

interface ExportFlags extends Source {
  readonly out?: string;
  readonly key?: string;
  readonly origin: string;
  readonly json?: boolean;
}

async function writeExport(flags: ExportFlags): Promise<void> {
  const verifierKey = await pinnedKey(flags);
  await withDatabase(flags, async (db) => {
    const tiles = flags.tiles === undefined ? undefined : await exportTiles(db, flags.tiles);
    const toFile = flags.out !== undefined;
    if (toFile || tiles === undefined) {
      const target = flags.out === undefined ? process.stdout : createWriteStream(flags.out, { mode: 0o600 });
      await pipeline(exportLedger(db, { origin: verifierOf(verifierKey).name, verifierKey }), target, { end: toFile });
    }
    if (!toFile && tiles === undefined) return;
    const written = { ...(toFile && { file: flags.out }), ...(tiles && { tiles: flags.tiles, ...tiles }), key: verifierKey };
    if (flags.json === true) print(JSON.stringify(written));
    else print(`written to ${[flags.out, flags.tiles].filter(Boolean).join(' and ')}; the key to verify it with: ${verifierKey}`);
  });
}

interface ProveFlags extends Source {
  readonly out?: string;
}

async function prove(index: string, flags: ProveFlags): Promise<void> {
  if (!/^(0|[1-9]\d{0,14})$/.test(index)) throw unusable(`the index is "${index}"`, 'give the index of an entry, from 0');
  const found =
    flags.file === undefined
      ? await withDatabase(flags, (db) => inclusionProof(db, Number(index)))
      : await proveFromExport(flags.file, Number(index));
  if (found === undefined) throw unusable(`there is no entry ${index}`, 'see the size of the ledger with `tidegate audit verify`');
  if (flags.out === undefined) process.stdout.write(formatProof(found));
  else await writeFile(flags.out, formatProof(found));
}

/** Faults go to standard error and exit with 2: nothing could be judged. Anything else is a bug and is thrown. */
function guarded<Args extends readonly unknown[]>(action: (...args: Args) => Promise<void>): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      await action(...args);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      process.stderr.write(`${error.message}\n${error.remedy ?? ''}\n`);
      process.exitCode = EXIT.unreadable;
    }
  };
}

function printReport({ verdict, sentence, size, root, key, keyFrom }: Report): void {
  const whence = { given: 'as given', home: 'of this data directory', export: 'taken from the export itself: pin yours with --key' }[
    keyFrom
  ];
  print(`${coloured(verdict)}: ${sentence}`);
  print(`  proven    ${size} entries, tree hash ${root}`);
  print(`  key       ${key} (${whence})`);
}

function coloured(verdict: Verification['verdict']): string {
  return verdict === 'verified' ? pc.green(verdict) : pc.red(verdict);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function pinnedKey({ key, origin }: { readonly key?: string; readonly origin?: string }): Promise<string> {
  const own = key ?? (await findVerifierKey({ home: settings().home, ...(origin !== undefined && { origin }) }));
  if (own === undefined) throw unusable('no key is known here', 'give the verifier key of the ledger with --key');
  return own;
}

async function withDatabase<T>({ databaseUrl }: Source, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connectDatabase(databaseUrl ?? (await locateDatabase(settings())), { poolSize: 4, applicationName: 'tidegate audit' });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

function settings(): ReturnType<typeof parseSettings> {
  return parseSettings(process.env, process.cwd());
}

async function readProof(path: string): Promise<Proof> {
  try {
    return parseProof(await readText(path));
  } catch (error) {
    if (error instanceof RangeError) throw unusable(`${path} is no receipt: ${error.message}`, 'give a .tlog-proof file');
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) =>
    Promise.reject(unusable(`${path}: ${error instanceof Error ? error.message : String(error)}`, 'name a file that can be read')),
  );
}

function unusable(got: string, remedy: string): Fault {
  return new Fault({ code: 'audit.unreadable', status: 422, message: `expected something to audit, got: ${got}`, remedy });
}
