import { chmod, copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitPerson } from './git-people.ts';
import { createGitPerson, gitAs, runGitAs } from './git-people.ts';

const examples = new URL('../examples/storefront/', import.meta.url).pathname;

/** Who wrote and signed what. Each version is the one before with the files of its folder laid over it. */
const history = {
  '1.0.0': { author: 'kim', message: 'The shop opens\n\nWindow, catalogue, cart and checkout.' },
  '1.1.0': {
    author: 'dana',
    message: 'Recommend what others bought\n\nUp to three products beside each one.\n\nCo-authored-by: Lee Park <lee@storefront.example>',
  },
  '1.2.0': {
    author: 'kim',
    message: 'Spare the warehouse while it is down\n\nA circuit breaker per shelf: no customer waits for a line that is cut.',
  },
} as const satisfies Record<string, { readonly author: 'dana' | 'kim'; readonly message: string }>;
export type StorefrontVersion = keyof typeof history;

export interface StorefrontRepository {
  /** Where people push, and what Tidegate reads. */
  readonly bareRepository: string;
  /** A working clone. */
  readonly work: string;
  readonly people: { readonly dana: GitPerson; readonly kim: GitPerson };
  /** For `allowedSigners`. */
  readonly signers: readonly { readonly principal: string; readonly key: string }[];
  /** Commits this version's change as its author; after the version before. Gives the commit. */
  commitVersion(version: StorefrontVersion): Promise<string>;
  /** Makes the signed tag `vVERSION` of the newest commit. Gives the tag object. */
  signTag(version: StorefrontVersion): Promise<string>;
  /** Pushes main and the tag. Gives the lines the repository's hook said. */
  pushTag(version: StorefrontVersion): Promise<readonly string[]>;
  /** From now on each pushed tag asks Tidegate at `url` for a release, with the token in this file (mode 0600). */
  installPostReceiveHook(hook: { readonly url: string; readonly tokenFile: string; readonly application?: string }): Promise<void>;
  /** examples/storefront/tidegate.yaml with its placeholders filled in. */
  configuration(): Promise<string>;
}

/** A real repository of the sample application in `directory` (made, must not hold one yet), with fresh keys and no version. */
export async function createStorefrontRepository({
  directory,
  now,
}: {
  readonly directory: string;
  readonly now?: () => Date;
}): Promise<StorefrontRepository> {
  const bareRepository = join(directory, 'storefront.git');
  const work = join(directory, 'work');
  const keys = join(directory, 'keys');
  await mkdir(work, { recursive: true });
  const dana = await createGitPerson(keys, { name: 'dana', displayName: 'Dana Reyes', email: 'dana@storefront.example' });
  const kim = await createGitPerson(keys, { name: 'kim', displayName: 'Kim Okafor', email: 'kim@storefront.example' });
  const people = { dana, kim };
  const authorOf = (version: StorefrontVersion) => people[history[version].author];
  await gitAs(kim, directory, ['init', '--quiet', '--bare', bareRepository]);
  // What has been released stays in the history of main.
  for (const rule of ['receive.denyNonFastForwards', 'receive.denyDeletes']) await gitAs(kim, bareRepository, ['config', rule, 'true']);
  await gitAs(kim, work, ['init', '--quiet']);
  await gitAs(kim, work, ['remote', 'add', 'origin', bareRepository]);
  return {
    bareRepository,
    work,
    people,
    signers: [dana, kim].map((person) => ({ principal: person.name, key: person.publicKey })),
    commitVersion: async (version) => {
      await cp(join(examples, 'versions', version), work, { recursive: true });
      await gitAs(authorOf(version), work, ['add', '--all']);
      await gitAs(authorOf(version), work, ['commit', '--quiet', '-m', history[version].message], now?.());
      return gitAs(kim, work, ['rev-parse', 'HEAD']);
    },
    signTag: async (version) => {
      await gitAs(authorOf(version), work, ['tag', '--sign', `v${version}`, '-m', `Storefront ${version}`], now?.());
      return gitAs(kim, work, ['rev-parse', `refs/tags/v${version}`]);
    },
    pushTag: async (version) => {
      const { stderr } = await runGitAs(authorOf(version), work, ['push', 'origin', 'HEAD:refs/heads/main', `refs/tags/v${version}`]);
      return hookLines(stderr);
    },
    installPostReceiveHook: (hook) => installPostReceiveHook(bareRepository, hook),
    configuration: () => fillIn({ REPOSITORY: bareRepository, SIGNER_DANA: dana.publicKey, SIGNER_KIM: kim.publicKey }),
  };
}

/** git shows what the other side prints as `remote: …`. */
function hookLines(stderr: string): readonly string[] {
  return stderr.split('\n').flatMap((line) => (line.startsWith('remote: ') ? [line.slice('remote: '.length).trimEnd()] : []));
}

async function installPostReceiveHook(
  bareRepository: string,
  hook: { readonly url: string; readonly tokenFile: string; readonly application?: string },
): Promise<void> {
  const hooks = join(bareRepository, 'hooks');
  await mkdir(hooks, { recursive: true });
  await copyFile(join(examples, 'hooks', 'post-receive.mjs'), join(hooks, 'tidegate.mjs'));
  await writeFile(join(hooks, 'tidegate.json'), JSON.stringify({ application: 'storefront', ...hook }), { mode: 0o600 });
  // The Node that runs this, wherever it lies: the PATH of whoever pushes may have none, or an old one.
  await writeFile(
    join(hooks, 'post-receive'),
    `#!/bin/sh\nexec ${shellWord(process.execPath)} ${shellWord(join(hooks, 'tidegate.mjs'))}\n`,
  );
  await chmod(join(hooks, 'post-receive'), 0o755);
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

async function fillIn(values: Readonly<Record<string, string>>): Promise<string> {
  const template = await readFile(join(examples, 'tidegate.yaml'), 'utf8');
  // Not in comments: they explain the placeholders.
  return template.replace(/'\$\{([A-Z_]+)\}'/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`expected a value for the placeholder ${name} of tidegate.yaml`);
    return JSON.stringify(value);
  });
}
