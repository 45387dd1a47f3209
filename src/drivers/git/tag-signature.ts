import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AllowedSigner } from '../../artifacts/source.port.ts';
import { Fault } from '../../platform/fault.ts';
import { allowedSignersFile } from './allowed-signers.ts';

/**
 * The principal whose key signed these bytes for git, or undefined when no allowed signer did. Rests on the exit status
 * of ssh-keygen alone, as git itself does; its sentences are not read. A signature made for another purpose (namespace)
 * does not verify.
 */
export async function verifySignature(request: {
  readonly payload: Buffer;
  readonly signature: string;
  readonly allowedSigners: readonly AllowedSigner[];
}): Promise<string | undefined> {
  const signers = allowedSignersFile(request.allowedSigners);
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-tag-'));
  try {
    const allowed = join(folder, 'allowed-signers');
    const signature = join(folder, 'signature');
    await writeFile(allowed, signers, { mode: 0o600 });
    await writeFile(signature, request.signature, { mode: 0o600 });
    const found = await sshKeygen(['-Y', 'find-principals', '-f', allowed, '-s', signature]);
    const principal = found.stdout.split('\n')[0] ?? '';
    // The name must be one we wrote into the file: whatever else ssh-keygen prints is not a principal.
    if (!found.ok || !request.allowedSigners.some((signer) => signer.principal === principal)) return undefined;
    const verified = await sshKeygen(['-Y', 'verify', '-n', 'git', '-f', allowed, '-I', principal, '-s', signature], request.payload);
    return verified.ok ? principal : undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sshKeygen(args: readonly string[], input?: Buffer): Promise<{ readonly ok: boolean; readonly stdout: string }> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' };
    const child = execFile('ssh-keygen', args, { env, timeout: 20_000, killSignal: 'SIGKILL', maxBuffer: 65_536 }, (error, stdout) => {
      if (error === null) resolve({ ok: true, stdout });
      else if (typeof error.code === 'number') resolve({ ok: false, stdout: '' });
      else reject(unusable(error));
    });
    // ssh-keygen may refuse before it has read the payload: its exit status says so.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** It could not be started or was killed: that says nothing about the signature. */
function unusable(cause: Error): Fault {
  return new Fault({
    code: 'source.ssh-keygen-missing',
    status: 500,
    retryable: true,
    message: `expected ssh-keygen to verify the signature, got ${cause.message.split('\n')[0]}`,
    remedy: 'Install OpenSSH 8.9 or newer (Debian: apt-get install openssh-client) where the server and the worker run.',
    cause,
  });
}
