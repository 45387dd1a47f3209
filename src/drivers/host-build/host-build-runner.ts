import { mkdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildRequest, BuildRunner } from '../../artifacts/build-runner.port.ts';
import { Fault } from '../../platform/fault.ts';
import { runBuildProcess } from './build-process.ts';
import type { BuildEnd } from './build-process.ts';
import { killAbandonedBuilds } from './leftover-processes.ts';
import { listOutput, measureOutput } from './output-folder.ts';
import type { OutputEntry } from './output-folder.ts';
import { packOutput } from './pack.ts';

/** Said in every log, because whoever reads "build" may think of a sandbox. */
const honesty = 'This build is not isolated: it runs on the host as the user of the platform.';
/** A build may write files beside its output (caches, object files), within reason. */
const largestFile = 2 * 1024 * 1024 * 1024;

/**
 * Builds as plain processes of this host: a clean environment, a process group that dies as a whole, limits on time and
 * size. Not isolated. The archive lies beside the checkout, `DIRECTORY.tar`; what lies there belongs to the caller.
 */
export function createHostBuildRunner(): BuildRunner {
  return { run };
}

async function run(request: BuildRequest): Promise<{ readonly archive: string; readonly bytes: number }> {
  const directory = await realpath(request.directory);
  const scratch = `${directory}.scratch`;
  const archive = `${directory}.tar`;
  await killAbandonedBuilds();
  try {
    await mkdir(join(scratch, 'home'), { recursive: true, mode: 0o700 });
    await mkdir(join(scratch, 'tmp'), { recursive: true, mode: 0o700 });
    await build({ ...request, directory }, scratch);
    const entries = await listOutput(directory, request.output);
    checkSize(request, entries);
    await packOutput(join(directory, request.output), entries, archive);
    return { archive, bytes: (await stat(archive)).size };
  } catch (error) {
    await rm(archive, { force: true });
    throw asDiskFault(error);
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function build(request: BuildRequest, scratch: string): Promise<void> {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(timeoutFault(request)), request.timeoutMs);
  const watch = watchSize(request, stop);
  const cancel = () => stop.abort(abortFault(request.signal?.reason));
  request.signal?.addEventListener('abort', cancel, { once: true });
  if (request.signal?.aborted === true) cancel();
  request.onLog(honesty);
  try {
    const end = await runBuildProcess({ ...request, scratch, largestFile: Math.max(largestFile, request.maxBytes), stop: stop.signal });
    if (end.stopped) throw withLines(stop.signal.reason as Fault, end.lastLines);
    if (end.exitCode !== 0) throw failure(request, end);
  } finally {
    clearTimeout(late);
    watch.end();
    request.signal?.removeEventListener('abort', cancel);
  }
}

/** A build that fills the disk is stopped while it does, not judged afterwards. */
function watchSize(request: BuildRequest, stop: AbortController): { end(): void } {
  let measuring = false;
  const measure = async () => {
    if (measuring) return;
    measuring = true;
    try {
      const bytes = await measureOutput(request.directory, request.output, request.maxBytes);
      if (bytes > request.maxBytes) stop.abort(tooLarge(request, bytes));
    } catch (error) {
      stop.abort(error);
    }
    measuring = false;
  };
  const timer = setInterval(() => void measure(), 500);
  return { end: () => clearInterval(timer) };
}

function checkSize(request: BuildRequest, entries: readonly OutputEntry[]): void {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (bytes > request.maxBytes) throw tooLarge(request, bytes);
}

function failure(request: BuildRequest, end: BuildEnd): Fault {
  const command = request.command.join(' ').slice(0, 200);
  const got =
    end.startFault !== undefined
      ? end.startFault.message
      : end.killedBy === undefined
        ? `exit status ${end.exitCode}`
        : `death by ${end.killedBy}`;
  return new Fault({
    code: 'build.failed',
    status: 422,
    message: `expected \`${command}\` to end with exit status 0, got ${got}`,
    remedy: 'Read the last lines of the log, correct the source and tag a new version.',
    extra: { exitCode: end.exitCode ?? null, lastLines: end.lastLines },
  });
}

function timeoutFault(request: BuildRequest): Fault {
  return new Fault({
    code: 'build.timeout',
    status: 422,
    message: `expected the build to end within ${request.timeoutMs / 1000} s, got no end`,
    remedy: 'Make the build quicker, or raise build.timeoutSeconds of the Application.',
  });
}

function tooLarge(request: BuildRequest, bytes: number): Fault {
  return new Fault({
    code: 'build.too-large',
    status: 422,
    message: `expected at most ${request.maxBytes} bytes in ${request.output}, got ${bytes} or more`,
    remedy: 'Leave out what is not run, or raise build.maxMegabytes of the Application.',
  });
}

function abortFault(cause: unknown): Fault {
  return new Fault({
    code: 'build.aborted',
    status: 503,
    retryable: true,
    message: 'expected the build to run to its end, got an order to stop',
    cause,
  });
}

function withLines(fault: Fault, lastLines: readonly string[]): Fault {
  if (!(fault instanceof Fault)) return fault;
  const { code, status, message, remedy, retryable, extra, cause } = fault;
  return new Fault({
    code,
    status,
    message,
    retryable,
    cause,
    extra: { ...extra, lastLines },
    ...(remedy === undefined ? {} : { remedy }),
  });
}

function asDiskFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new Fault({
    code: 'build.disk-full',
    status: 507,
    retryable: true,
    message: 'expected room on the disk for the build, got none',
    remedy: 'Free space on the disk of the data directory; the platform tries again by itself.',
    cause: error,
  });
}
