import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gitAs } from '../demo/git-people.ts';
import { createStorefrontRepository } from '../demo/storefront-repository.ts';
import { tagOf } from './configuration.ts';
import type { Quality } from './plan.ts';

export interface Shop {
  readonly repository: string;
  readonly signers: readonly { readonly principal: string; readonly key: string }[];
  /** Commits, signs and pushes a version of the storefront. Gives the tag. One at a time, in the order of the calls. */
  publish(release: { readonly application: string; readonly version: string; readonly quality: Quality }): Promise<string>;
}

/** One request in this many fails. A verdict within seconds needs more failures than the storefront of the demo has. */
const callsPerCut = { good: 50, regretted: 50, bad: 3 } as const satisfies Record<Quality, number>;
const base = new URL('../examples/storefront/versions/1.0.0', import.meta.url).pathname;

/** The storefront's repository; every further version differs by a real commit. */
export async function openShop(directory: string): Promise<Shop> {
  const { bareRepository, work, people, signers } = await createStorefrontRepository({ directory });
  const { kim } = people;
  let last: Promise<unknown> = Promise.resolve();

  async function publish({ application, version, quality }: Parameters<Shop['publish']>[0]): Promise<string> {
    const tag = tagOf(application, version);
    await cp(base, work, { recursive: true });
    await edit(join(work, 'src/warehouse.mjs'), 'const callsPerCut = 200;', `const callsPerCut = ${callsPerCut[quality]};`);
    await edit(join(work, 'package.json'), '"version": "1.0.0"', `"version": "${version}"`);
    await edit(join(work, 'package.json'), '"name": "storefront"', `"name": "${application}"`);
    await gitAs(kim, work, ['add', '--all']);
    await gitAs(kim, work, ['commit', '--quiet', '-m', `${application} ${version}`]);
    await gitAs(kim, work, ['tag', '--sign', tag, '-m', `${application} ${version}`]);
    await gitAs(kim, work, ['push', '--quiet', 'origin', 'HEAD:refs/heads/main', `refs/tags/${tag}`]);
    return tag;
  }

  return {
    repository: bareRepository,
    signers,
    publish(release) {
      const turn = last.then(() => publish(release));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

async function edit(file: string, before: string, after: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (!text.includes(before)) throw new Error(`expected ${before} in ${file}, got another storefront`);
  await writeFile(file, text.replace(before, after));
}
