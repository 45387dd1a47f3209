import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { logLines } from './log-lines.ts';
import { killBuild, marker } from './leftover-processes.ts';

export interface BuildProcess {
  readonly directory: string;
  /** HOME and TMPDIR of the build. */
  readonly scratch: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly largestFile: number;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly onLog: (line: string) => void;
  /** Ends the build early; the reason comes back as `stopped`. */
  readonly stop: AbortSignal;
}

export interface BuildEnd {
  readonly exitCode: number | undefined;
  readonly killedBy: string | undefined;
  /** The program could not be started at all. */
  readonly startFault: Error | undefined;
  readonly stopped: boolean;
  readonly lastLines: readonly string[];
}

/** Runs the command to its end and leaves no process behind. */
export async function runBuildProcess(build: BuildProcess): Promise<BuildEnd> {
  const [program = '', ...args] = await limited(build);
  const child = spawn(program, args, { cwd: build.directory, env: environment(build), detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = logLines(build.onLog);
  for (const output of [child.stdout, child.stderr]) {
    const lines = log.stream();
    output.on('data', (chunk: Buffer) => lines.push(chunk));
    output.once('end', () => lines.end());
  }
  behave(child.pid);
  const kill = () => killGroup(child.pid);
  build.stop.addEventListener('abort', kill, { once: true });
  if (build.stop.aborted) kill();
  try {
    const startFault = new Promise<Error>((resolve) => child.once('error', resolve));
    const exited = new Promise<[number | null, string | null]>((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const end = await Promise.race([startFault, exited]);
    // A daemon the build left behind holds the log open: it goes before we wait for the log's end.
    kill();
    await killBuild(build.directory);
    if (!(end instanceof Error)) await closed;
    const [code, signal] = end instanceof Error ? [null, null] : end;
    return {
      exitCode: code ?? undefined,
      killedBy: signal ?? undefined,
      startFault: end instanceof Error ? end : undefined,
      stopped: build.stop.aborted,
      lastLines: [...log.last],
    };
  } finally {
    build.stop.removeEventListener('abort', kill);
  }
}

/** Everything the build sees of ours: no variable of the platform gets in. */
function environment(build: BuildProcess): Record<string, string> {
  const path = process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  return {
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    CI: 'true',
    ...build.environmentVariables,
    // The Node that runs the platform first, so that `npm` scripts get the pinned one too.
    PATH: [dirname(process.execPath), path].join(delimiter),
    HOME: join(build.scratch, 'home'),
    TMPDIR: join(build.scratch, 'tmp'),
    [marker]: build.directory,
  };
}

/**
 * The command with limits before it, as far as the host has the programs: prlimit (no core dumps, bounded files and
 * descriptors) and timeout, which ends the group even when this worker was killed. No limit on processes: the kernel
 * counts those per user, so it would hit the platform itself. None on address space: Node reserves far more than it uses.
 */
async function limited(build: BuildProcess): Promise<readonly string[]> {
  const [program = '', ...args] = build.command;
  const command = [program === 'node' ? process.execPath : program, ...args];
  const limits = ['--core=0', '--nofile=8192', `--fsize=${build.largestFile}`];
  const withLimits = (await onPath('prlimit')) ? ['prlimit', ...limits, '--', ...command] : command;
  const seconds = Math.ceil(build.timeoutMs / 1000) + 30;
  return (await onPath('timeout')) ? ['timeout', '--signal=KILL', String(seconds), ...withLimits] : withLimits;
}

async function onPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** A build yields to what serves users. */
function behave(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, 10);
  } catch {
    // Gone already, or a host that does not let us: the build is as good.
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
