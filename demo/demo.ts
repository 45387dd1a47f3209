/**
 * `npm run demo`: three real releases of a real application, from a signed git tag to production, and one back again.
 * Flags: `--exit` ends it after the story; `--json` prints one JSON document at the end instead of the story;
 * `--rate N` requests a second; `--record FOLDER` writes the judge's inputs of each canary there. Exit 0 only when every expectation held.
 */
import { parseArgs } from 'node:util';
import pc from 'picocolors';
import type { Cast } from './cast.ts';
import { gather } from './cast.ts';
import { keepChronicle, sentenceOf } from './chronicle.ts';
import type { Told } from './expectations.ts';
import { expectationsOf } from './expectations.ts';
import type { Narrator } from './narrator.ts';
import { createNarrator, silent } from './narrator.ts';
import { Story } from './story.ts';

const startedAt = performance.now();
const { values: flags } = parseArgs({
  options: {
    exit: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rate: { type: 'string', default: '1000' },
    port: { type: 'string', default: '4400' },
    record: { type: 'string' },
  },
});
const narrator: Narrator = flags.json ? silent : createNarrator(process.stdout, startedAt, () => performance.now());
const report = (line: string) => (flags.json ? process.stderr.write(`${line}\n`) : narrator.say(line));

let cast: Cast | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(130));

try {
  report('starting PostgreSQL, router, host, server and worker …');
  cast = await gather({ say: report, port: Number(flags.port) });
  report(`Tidegate is up: ${cast.platform.url}`);
  const told = await tell(cast);
  const expectations = expectationsOf(told);
  const ok = expectations.every((e) => e.held);
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, ...told, expectations })}\n`);
  else
    for (const e of expectations)
      narrator.say(`${e.held ? pc.green('✔') : pc.red('✘')} ${e.what}${e.held ? '' : `: ${JSON.stringify(e.seen)}`}`);
  if (flags.exit) await leave(ok ? 0 : 1);
  else stayUp(cast);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  await leave(1);
}

async function tell(gathered: Cast): Promise<Told> {
  const chronicle = await keepChronicle(gathered.platform.url, gathered.people.olga, (entry) => {
    const sentence = sentenceOf(entry);
    if (sentence) narrator.say(sentence);
  });
  try {
    const story = await Story.begin({ cast: gathered, chronicle, narrator, ratePerSecond: Number(flags.rate), record: flags.record });
    await story.first();
    await story.good();
    await story.bad();
    narrator.keep();
    return await story.told(startedAt);
  } finally {
    await chronicle.stop();
  }
}

function stayUp({ platform, people, shop }: Cast): void {
  report(`\nIt stays up. Look around, then end it with Ctrl-C:
  export TIDEGATE_URL=${platform.url}
  npm run -s tidegate -- --token-file ${people.olga.tokenFile} status
  npm run -s tidegate -- --token-file ${people.olga.tokenFile} why storefront@1.2.0
  the shop: ${shop}   the status page: ${platform.url}`);
}

async function leave(exit: number): Promise<void> {
  await cast?.end();
  process.exit(exit);
}
