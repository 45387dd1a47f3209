import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Somebody who commits and signs, with a real ssh key. */
export interface GitPerson {
  /** Principal name. */
  readonly name: string;
  readonly displayName: string;
  readonly email: string;
  /** Private key, mode 0600. */
  readonly keyFile: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
}

/** Makes a fresh Ed25519 key for them in `folder`. */
export async function createGitPerson(
  folder: string,
  who: { readonly name: string; readonly displayName: string; readonly email: string },
): Promise<GitPerson> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyFile = join(folder, who.name);
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', who.email, '-f', keyFile]);
  const [type = '', key = ''] = (await readFile(`${keyFile}.pub`, 'utf8')).split(' ');
  return { ...who, keyFile, publicKey: `${type} ${key}` };
}

/** Runs git in `directory` as this person, untouched by the configuration of whoever runs the demo. Gives its standard output. */
export async function gitAs(person: GitPerson, directory: string, args: readonly string[], at?: Date): Promise<string> {
  return (await runGitAs(person, directory, args, at)).stdout.trim();
}

/** The same, with standard error too: that is where git shows what a hook of the other side said. */
export async function runGitAs(
  person: GitPerson,
  directory: string,
  args: readonly string[],
  at?: Date,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const date = at === undefined ? {} : { GIT_AUTHOR_DATE: at.toISOString(), GIT_COMMITTER_DATE: at.toISOString() };
  return run('git', ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${person.keyFile}`, '-c', 'init.defaultBranch=main', ...args], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: directory,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: person.displayName,
      GIT_AUTHOR_EMAIL: person.email,
      GIT_COMMITTER_NAME: person.displayName,
      GIT_COMMITTER_EMAIL: person.email,
      ...date,
    },
    maxBuffer: 16 * 1024 * 1024,
  });
}
