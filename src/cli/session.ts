import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { NoAnswerError, RefusedError, createClient } from '../client/client.ts';
import { exitCode, exitCodeOf } from './exit-code.ts';
import { paintProblem } from './problem.ts';

/** What every command that speaks to a server works with. */
export interface Session {
  readonly server: string;
  readonly token: string | undefined;
  /** Only what this command was given (flag or environment), never who signed in before. */
  readonly givenToken: string | undefined;
  readonly client: Client;
  readonly json: boolean;
  /** The one thing a command prints: JSON where that was asked for, otherwise what people read. */
  print(value: unknown, human: () => string): void;
}

/** A command's own end that is no fault: `--wait` over a release that was rolled back exits 7. */
export class Ended extends Error {
  readonly exit: number;
  constructor(exit: number, message = '') {
    super(message);
    this.exit = exit;
  }
}

export function addConnectionOptions(program: Command): void {
  program
    .option('--server <url>', 'address of the server (TIDEGATE_URL; default: where you signed in, or http://127.0.0.1:4400)')
    .option('--token-file <file>', 'file that holds the token (default: TIDEGATE_TOKEN, or where you signed in)')
    .option('--json', 'print JSON, and problems as problem+json');
}

interface Globals {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Runs a command's work and turns what goes wrong into a message and the documented exit code. */
// eslint-disable-next-line typescript/no-explicit-any -- commander hands over what the command declared; each command types its own
export function withSession(work: (session: Session, ...args: any[]) => Promise<void>) {
  return async function action(this: Command, ...args: unknown[]): Promise<void> {
    const globals = this.optsWithGlobals<Globals>();
    try {
      await work(await openSession(globals), ...args);
    } catch (error) {
      process.exitCode = report(error, globals.json === true);
    }
  };
}

async function openSession(globals: Globals): Promise<Session> {
  const stored = await readCredentials();
  const server = globals.server ?? process.env['TIDEGATE_URL'] ?? stored?.server ?? 'http://127.0.0.1:4400';
  refuseAddress(server);
  const givenToken = await givenTokenOf(globals);
  // A token goes only to the server it was stored for.
  const token = givenToken ?? (stored?.server === server ? stored.token : undefined);
  const json = globals.json === true;
  return {
    server,
    token,
    givenToken,
    client: createClient({ server, ...(token === undefined ? {} : { token }) }),
    json,
    print: (value, human) => void process.stdout.write(`${json ? JSON.stringify(value, null, 2) : human()}\n`),
  };
}

function refuseAddress(server: string): void {
  if (/^https?:$/.test(URL.parse(server)?.protocol ?? '')) return;
  throw new Ended(exitCode.badInput, `expected an address such as http://127.0.0.1:4400 (--server, TIDEGATE_URL), got ${server}`);
}

async function givenTokenOf(globals: Globals): Promise<string | undefined> {
  if (globals.tokenFile !== undefined) return (await readText(globals.tokenFile)).trim();
  return process.env['TIDEGATE_TOKEN']?.trim() || undefined;
}

export async function readText(file: string): Promise<string> {
  if (file === '-') return readStandardInput();
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Ended(exitCode.badInput, `expected a readable file, got ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

interface Credentials {
  readonly server: string;
  readonly token: string;
}

function credentialsFile(): string {
  return join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'tidegate', 'credentials.json');
}

async function readCredentials(): Promise<Credentials | undefined> {
  try {
    return JSON.parse(await readFile(credentialsFile(), 'utf8')) as Credentials;
  } catch {
    return undefined; // never signed in: commands say so when the server refuses
  }
}

/** Mode 0600, whatever the umask says. */
export async function writeCredentials(credentials: Credentials): Promise<string> {
  const file = credentialsFile();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(credentials)}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return file;
}

function report(error: unknown, json: boolean): number {
  if (error instanceof Ended) {
    if (error.message) process.stderr.write(`${error.message}\n`);
    return error.exit;
  }
  if (error instanceof RefusedError) {
    process.stderr.write(`${json ? JSON.stringify(error.problem) : paintProblem(error.problem)}\n`);
    return exitCodeOf(error.status);
  }
  if (error instanceof NoAnswerError) {
    process.stderr.write(`${error.message}\n  → Is the server running (npm start)? Name another with --server or TIDEGATE_URL.\n`);
    return exitCode.failed;
  }
  throw error;
}
