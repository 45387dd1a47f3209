import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const cli = join(import.meta.dirname, '../src/tidegate.ts');

export interface CliAnswer {
  readonly exit: number;
  /** What it printed as JSON; undefined when it printed nothing. */
  readonly body: unknown;
  /** The problem document it was refused with. */
  readonly problem:
    | (Readonly<Record<string, unknown>> & { readonly code?: string; readonly detail?: string; readonly status?: number })
    | undefined;
}

/** Somebody at a terminal of their own, signed in with their own token. */
export interface Person {
  readonly name: string;
  readonly tokenFile: string;
  /** Runs `tidegate … --json` as this person. Never throws on a refusal: being refused is part of the story. */
  run(...args: readonly string[]): Promise<CliAnswer>;
}

export interface Desk {
  /** Where tokens are kept, each in a file of its own. */
  readonly folder: string;
  readonly server: string;
  /** Data directory of the platform: `audit` reads the ledger's key there. */
  readonly home: string;
}

export async function personAt(desk: Desk, { name, token }: { readonly name: string; readonly token: string }): Promise<Person> {
  const tokenFile = join(desk.folder, `${name}.token`);
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  return { name, tokenFile, run: (...args) => runCli(desk, ['--server', desk.server, '--token-file', tokenFile, '--json', ...args]) };
}

function runCli(desk: Desk, args: readonly string[]): Promise<CliAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<CliAnswer>();
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TIDEGATE_HOME: desk.home },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.on('error', reject);
  child.on('close', (exit) => {
    const body = parseJson(out);
    resolve({ exit: exit ?? 1, body, problem: parseJson(err.trim().split('\n').at(-1) ?? '') as CliAnswer['problem'] });
  });
  return promise;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a sentence for people, or nothing
  }
}

/** The answer's body, or an error that says which command was refused and why: for what the story cannot go on without. */
export function mustSucceed(answer: CliAnswer, what: string): unknown {
  if (answer.exit === 0) return answer.body;
  throw new Error(`${what}: expected exit 0, got ${answer.exit}: ${answer.problem?.detail ?? JSON.stringify(answer.body)}`);
}
