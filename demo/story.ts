import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../src/client/client.ts';
import { clientOf, findVerdict, readPlan, readRelease } from './api.ts';
import type { Cast, Name } from './cast.ts';
import type { Chronicle } from './chronicle.ts';
import { secondsToVerdict, weightsIn } from './chronicle.ts';
import type { Refusal, Told, ToldRelease } from './expectations.ts';
import type { Traffic } from './load.ts';
import { startTraffic } from './load.ts';
import type { Narrator } from './narrator.ts';
import type { CliAnswer } from './people.ts';
import { mustSucceed } from './people.ts';
import { recordHistory } from './record.ts';
import { paintRelease, pictureKey } from './release-picture.ts';
import type { StorefrontVersion } from './storefront-repository.ts';

export interface StoryOptions {
  readonly cast: Cast;
  readonly chronicle: Chronicle;
  readonly narrator: Narrator;
  readonly ratePerSecond: number;
  /** Folder for the judge's inputs of each canary. */
  readonly record: string | undefined;
}

const approvers = ['sam', 'olga', 'bea'] as const satisfies readonly Name[];
const ended = new Set(['completed', 'rolled-back', 'failed', 'cancelled']);

/** How long any single thing may take before the story is over: nothing here waits for ever. */
const patienceMs = 360_000;

/** The story in three acts. Nothing in it is staged: tags are pushed, people answer, the judge decides on what users got. */
export class Story {
  readonly #options: StoryOptions;
  readonly #client: Client;
  readonly #refusals: Refusal[] = [];
  readonly #releases: ToldRelease[] = [];
  #traffic: Traffic | undefined;

  private constructor(options: StoryOptions, client: Client) {
    this.#options = options;
    this.#client = client;
  }

  static async begin(options: StoryOptions): Promise<Story> {
    return new Story(options, await clientOf(options.cast.platform.url, options.cast.people.olga));
  }

  async first(): Promise<void> {
    this.#title('1.0.0: the first release');
    await this.#push('1.0.0');
    await this.#approveAll('1.0.0');
    await this.#finish('1.0.0');
    this.#traffic = startTraffic({
      url: this.#options.cast.shop,
      ratePerSecond: this.#options.ratePerSecond,
      users: 50_000,
      paths: ['/', '/products', '/products/1', '/products/2', '/products/3'],
      seed: Date.now() % 2_147_483_647,
    });
    this.#say(`users arrive: ${this.#options.ratePerSecond} requests a second at ${this.#options.cast.shop}`);
  }

  async good(): Promise<void> {
    this.#title('1.1.0: a good release, and three refusals on its way');
    await this.#push('1.1.0');
    await this.#untilApprovalIsAsked('1.1.0');
    await this.#authorTriesToApprove();
    await this.#candidateChangesUnderAnApproval();
    await this.#approveInAFreeze();
    await this.#finish('1.1.0');
  }

  async bad(): Promise<void> {
    this.#title('1.2.0: a release that fails 2 % of requests');
    await this.#push('1.2.0');
    await this.#approveAll('1.2.0');
    await this.#finish('1.2.0');
  }

  /** Everybody goes home; the ledger is exported and verified without the platform's help. */
  async told(startedAt: number): Promise<Told> {
    const traffic = await this.#traffic?.stop();
    const { cast } = this.#options;
    const file = join(cast.home, 'ledger.jsonl');
    const audit = ['--database-url', cast.platform.databaseUrl];
    const exported = await cast.administrator.run('audit', 'export', ...audit, '--out', file);
    const verified = await cast.administrator.run('audit', 'verify', '--file', file);
    const ledger = verified.body as { readonly size?: number; readonly root?: string } | undefined;
    this.#say(
      verified.exit === 0
        ? `the ledger's ${ledger?.size} entries verify, root ${ledger?.root}`
        : `the ledger does not verify: ${JSON.stringify(verified.body ?? exported.problem)}`,
    );
    return {
      releases: this.#releases,
      refusals: this.#refusals,
      ledger: { size: ledger?.size ?? 0, root: ledger?.root ?? '', verified: verified.exit === 0 },
      unserved: (traffic?.connectionErrorCount ?? 0) + (traffic?.refusedByRouter ?? 0),
      servedByStableDuringRollback: this.#servedByStable,
      seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    };
  }

  #servedByStable = 0;

  #say(line: string): void {
    this.#options.narrator.say(line);
  }

  #title(text: string): void {
    this.#options.narrator.keep();
    this.#say('');
    this.#say(`── ${text} ${'─'.repeat(Math.max(0, 70 - text.length))}`);
  }

  async #push(version: StorefrontVersion): Promise<void> {
    const { repository } = this.#options.cast;
    await repository.commitVersion(version);
    await repository.signTag(version);
    const lines = await repository.pushTag(version);
    this.#say(`git push origin v${version}: ${lines.at(-1) ?? 'pushed'}`);
  }

  async #untilApprovalIsAsked(version: string): Promise<string> {
    return this.#until(version, async (release) => {
      if (ended.has(release.state)) throw new Error(`expected ${release.id} to ask for approval; it ${release.standing.sentence}`);
      return release.standing.code === 'approval.missing-role' ? release.candidate?.digest : undefined;
    });
  }

  async #approveAll(version: string): Promise<void> {
    const candidate = await this.#untilApprovalIsAsked(version);
    for (const name of approvers) mustSucceed(await this.#approve(name, version, candidate), `${name} approves ${version}`);
  }

  #approve(name: Name, version: string, candidate: string): Promise<CliAnswer> {
    return this.#options.cast.people[name].run('approve', `storefront@${version}`, '--candidate', candidate);
  }

  async #authorTriesToApprove(): Promise<void> {
    const candidate = await this.#untilApprovalIsAsked('1.1.0');
    this.#refused('author-approval', await this.#approve('dana', '1.1.0', candidate));
  }

  /** Sam approves; then the banner of production changes, and with it what everybody is asked about. */
  async #candidateChangesUnderAnApproval(): Promise<void> {
    const { administrator, configurationFile, people } = this.#options.cast;
    const before = await this.#untilApprovalIsAsked('1.1.0');
    mustSucceed(await this.#approve('sam', '1.1.0', before), 'sam approves 1.1.0');
    const text = await readFile(configurationFile, 'utf8');
    await writeFile(configurationFile, text.replace(/BANNER: Free delivery.*/, 'BANNER: Free delivery, and ask us what goes with it.'));
    mustSucceed(await administrator.run('apply', '-f', configurationFile), 'tidegate apply');
    this.#say('the administrator changed the banner of production');
    await this.#until('1.1.0', async (release) =>
      release.candidate && release.candidate.digest !== before ? release.candidate.digest : undefined,
    );
    this.#refused('stale-approval', await people.olga.run('approve', 'storefront@1.1.0', '--candidate', before));
  }

  /** Operations freezes production; everybody approves; the freeze still holds, says until when, and is lifted. */
  async #approveInAFreeze(): Promise<void> {
    const { olga } = this.#options.cast.people;
    const to = new Date(Date.now() + 3_600_000).toISOString();
    mustSucceed(
      await olga.run(
        'freeze',
        'declare',
        'stocktaking',
        '--to',
        to,
        '--environment',
        'production',
        '--reason',
        'the warehouse counts its stock',
      ),
      'freeze',
    );
    this.#say('olga froze production for an hour: the warehouse counts its stock');
    await this.#approveAllOfPresent('1.1.0');
    const plan = await readPlan(this.#client, 'storefront@1.1.0');
    this.#say(`tidegate plan: next opening of production ${plan.stages.at(-1)?.nextOpening ?? 'unknown'}`);
    this.#refused('freeze', await this.#options.cast.people.rita.run('release', 'promote', 'storefront@1.1.0', '--to', 'production'));
    mustSucceed(await olga.run('freeze', 'lift', 'stocktaking'), 'lifting the freeze');
    this.#say('olga lifted the freeze: the release goes on by itself');
  }

  async #approveAllOfPresent(version: string): Promise<void> {
    const { candidate } = await readRelease(this.#client, `storefront@${version}`);
    for (const name of approvers) mustSucceed(await this.#approve(name, version, candidate?.digest ?? ''), `${name} approves ${version}`);
  }

  #refused(what: string, answer: CliAnswer): void {
    const { problem } = answer;
    if (!problem) throw new Error(`${what}: expected a refusal, got exit ${answer.exit}`);
    const { nextOpening, diff } = problem as { readonly nextOpening?: string; readonly diff?: readonly unknown[] };
    this.#refusals.push({
      what,
      code: problem.code ?? '',
      status: problem.status ?? 0,
      ...(nextOpening ? { nextOpening } : {}),
      ...(diff ? { diff } : {}),
    });
    this.#say(`refused (${problem.status} ${problem.code}): ${problem.detail}`);
  }

  async #finish(version: StorefrontVersion): Promise<void> {
    const before = this.#traffic?.snapshot();
    const release = await this.#until(version, async (r) => (ended.has(r.state) ? r : undefined));
    const after = this.#traffic?.snapshot();
    const production = release.deployments.findLast((d) => d.environment === 'production');
    const judged = production && (await findVerdict(this.#client, production.id));
    const { record } = this.#options;
    if (production && judged && record !== undefined) await recordHistory(this.#client, production.id, record);
    const { entries } = this.#options.chronicle;
    const mine = after?.byVersion[version];
    const stable = after?.byVersion['1.1.0'];
    if (version === '1.2.0') this.#servedByStable = (stable?.requests ?? 0) - (before?.byVersion['1.1.0']?.requests ?? 0);
    const baseRate = stable && stable.requests > 0 ? stable.errors / stable.requests : 0;
    this.#releases.push({
      version,
      outcome: release.state,
      stages: release.deployments.map((d) => ({
        environment: d.environment,
        state: d.state,
        weights: weightsIn(entries, d.id),
        seconds: (Date.parse(d.finishedAt ?? d.since) - Date.parse(d.startedAt)) / 1000,
      })),
      ...(judged && production
        ? {
            verdict: {
              kind: judged.verdict.kind,
              e: Math.exp(judged.verdict.logE ?? 0),
              logE: judged.verdict.logE ?? 0,
              ratio: judged.verdict.ratio,
              requests: judged.verdict.requests,
              secondsToVerdict: secondsToVerdict(entries, production.id),
            },
          }
        : {}),
      ...(production?.millisecondsToZeroShare === undefined ? {} : { millisecondsToZeroShare: production.millisecondsToZeroShare }),
      ...(release.state === 'rolled-back' && mine
        ? { extraFailedRequests: Math.round((mine.errors - mine.requests * baseRate) * 10) / 10 }
        : {}),
    });
  }

  /** Looks at the release twice a second, paints it, and goes on when `look` found what it looked for. */
  async #until<T>(version: string, look: (release: Awaited<ReturnType<typeof readRelease>>) => Promise<T | undefined>): Promise<T> {
    const id = `storefront@${version}`;
    const deadline = performance.now() + patienceMs;
    while (performance.now() < deadline) {
      const release = await readRelease(this.#client, id);
      await this.#paint(release);
      const found = await look(release);
      if (found !== undefined) return found;
      await sleep(500);
    }
    throw new Error(`expected ${id} to go on within ${patienceMs / 1000} s; see: tidegate why ${id}`);
  }

  async #paint(release: Awaited<ReturnType<typeof readRelease>>): Promise<void> {
    const { stages } = await readPlan(this.#client, release.id);
    const canary = release.deployments.find((d) => d.environment === 'production' && d.state === 'observing');
    const judged = canary && (await findVerdict(this.#client, canary.id));
    this.#options.narrator.picture(paintRelease(release, stages, judged, new Date()), pictureKey(release, stages));
  }
}
