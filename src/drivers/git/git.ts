import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Fault } from '../../platform/fault.ts';

/**
 * The git program, started as if the repository wanted to harm us: no shell, no configuration of user, system or hooks,
 * no prompt, no credential helper, only the protocols listed, an environment made from scratch.
 */
const configuration: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.attributesFile': '/dev/null',
  'core.logAllRefUpdates': 'false',
  'credential.helper': '',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  // A redirect would lead to a host that nobody wrote into a configuration.
  'http.followRedirects': 'false',
  // Refuses what exploits git itself (dot-git paths, duplicate entries, bad submodule addresses) …
  'fetch.fsckObjects': 'true',
  // … but not the harmless faults that old, honest repositories carry for ever.
  'fetch.fsck.zeroPaddedFilemode': 'warn',
  'fetch.fsck.badTimezone': 'warn',
  'fetch.fsck.missingSpaceBeforeDate': 'warn',
  // Always a whole pack, moved into place at the end: kill -9 in the middle leaves no half history behind.
  'fetch.unpackLimit': '1',
  'transfer.unpackLimit': '1',
  'submodule.recurse': 'false',
};

const inherited = ['PATH', 'SSH_AUTH_SOCK', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

function environment(): Record<string, string> {
  const kept = inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    LC_ALL: 'C',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_ALLOW_PROTOCOL: 'file:https:ssh',
    // ssh takes its keys and known hosts from the home of the user the platform runs as; it never asks and never learns a host.
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oForwardAgent=no -oConnectTimeout=10',
    GIT_SSH_VARIANT: 'ssh',
  };
}

type Git = ChildProcessByStdio<Writable, Readable, Readable>;

/** Starts git in a process group of its own, so that its helpers (ssh, remote-https, index-pack) end with it. */
export function startGit(gitDirectory: string | undefined, args: readonly string[]): Git {
  const settings = Object.entries(configuration).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const where = gitDirectory === undefined ? [] : [`--git-dir=${gitDirectory}`];
  return spawn('git', ['--no-pager', ...settings, ...where, ...args], {
    cwd: '/',
    env: environment(),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Kills git and what it started. Harmless when it is gone. */
export function killGit(child: Git): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** The last 4 KiB. */
  readonly stderr: string;
}

export interface GitOptions {
  /** `--git-dir`. Without: no repository. */
  readonly gitDirectory?: string;
  readonly input?: string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** Largest answer. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** Runs git to its end, whatever its exit status. Faults: `source.git-missing`, `source.timeout`, `source.too-large`. */
export async function runGit(args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
  const child = startGit(options.gitDirectory, args);
  const { timeoutMs = 30_000, maxBytes = 64 * 1024 * 1024 } = options;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let stderr = '';
  let fault: Fault | undefined;
  const stop = (reason: Fault) => {
    fault ??= reason;
    killGit(child);
  };
  const timer = setTimeout(() => stop(timeoutFault(args, timeoutMs)), timeoutMs);
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) stop(tooLarge(`expected at most ${maxBytes} bytes from git ${args[0]}, got more`));
    else chunks.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4096);
  });
  // git may end before it has read its input: its exit status says why.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  try {
    const exitCode = await endOf(child);
    if (fault !== undefined) throw fault;
    return { exitCode, stdout: Buffer.concat(chunks), stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** The exit status; 128 for a death by signal. */
export function endOf(child: Git): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new Fault({
          code: 'source.git-missing',
          status: 500,
          message: `expected the program git to start, got ${cause.message}`,
          remedy: 'Install git 2.34 or newer (Debian: apt-get install git) where the worker runs.',
          cause,
        }),
      ),
    );
    child.once('close', (code) => resolve(code ?? 128));
  });
}

function timeoutFault(args: readonly string[], timeoutMs: number): Fault {
  return new Fault({
    code: 'source.timeout',
    status: 504,
    retryable: true,
    message: `expected git ${args[0]} to end within ${timeoutMs / 1000} s, got no end`,
    remedy: 'Check that the repository host answers; the platform tries again by itself.',
  });
}

export function tooLarge(message: string): Fault {
  return new Fault({ code: 'source.too-large', status: 422, message, remedy: 'Take large files out of the repository.' });
}

/** git's last sentence for a person: one line, no control characters, no credentials of an address. */
export function complaint(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const telling = lines.findLast((line) => line.startsWith('fatal:') || line.startsWith('error:')) ?? lines.at(-1) ?? 'nothing';
  const bare = telling.replace(/\/\/[^/@\s]+@/g, '//…@').slice(0, 300);
  // eslint-disable-next-line no-control-regex -- that is what must go
  return bare.replace(/[\u0000-\u001f\u007f]/g, ' ');
}
