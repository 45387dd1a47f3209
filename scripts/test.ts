/**
 * `npm test`: everything. The checks, then the tests against a database, then those that start real processes. Installs
 * what they need beyond npm (as root on Debian; elsewhere it names what is missing). With CI=true a skipped test fails.
 * The last line is `N passed, N failed`, over all tests; a failed check counts as one failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks, pureTests } from './check.ts';
import { runSteps, type Step } from './steps.ts';
import { readTally, type Tally } from './vitest-report.ts';

const tools = [
  { program: 'git', debian: 'git', probe: '--version' },
  { program: 'ssh-keygen', debian: 'openssh-client', probe: '-?' },
  { program: 'python3', debian: 'python3', probe: '--version' },
] as const;

ensureTools();
const folder = await mkdtemp(join(tmpdir(), 'tidegate-report-'));
try {
  process.exitCode = await testEverything();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function testEverything(): Promise<number> {
  const reportOf = (project: string): string => join(folder, `${project}.json`);
  const checked = await runSteps([pureTests(reportOf('pure')), ...checks], 2);
  // One after the other: they measure nothing, but real processes on two cores are slow enough without a neighbour.
  const tested = await runSteps(
    ['db', 'live'].map((project) => vitest(project, reportOf(project))),
    1,
  );

  const failedRuns = new Set([...checked, ...tested].filter(({ failed }) => failed).map(({ name }) => name));
  const tallies = await Promise.all([
    readTally(reportOf('pure'), failedRuns.has('pure tests')),
    readTally(reportOf('db'), failedRuns.has('db tests')),
    readTally(reportOf('live'), failedRuns.has('live tests')),
  ]);
  const failedChecks = checks.filter(({ name }) => failedRuns.has(name)).length;
  return sayTotal(tallies, failedChecks);
}

function vitest(project: string, report: string): Step {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return { name: `${project} tests`, command: ['vitest', 'run', '--project', project, ...reporters], live: true };
}

function sayTotal(tallies: readonly Tally[], failedChecks: number): number {
  const total = (count: (tally: Tally) => number): number => tallies.reduce((sum, tally) => sum + count(tally), 0);
  const skipped = tallies.flatMap((tally) => tally.skipped);
  const refuseSkipped = process.env['CI'] === 'true' && skipped.length > 0;
  if (skipped.length > 0) console.log(`Skipped${refuseSkipped ? ', which fails where CI=true' : ''}:\n  ${skipped.join('\n  ')}`);
  const failed = total((tally) => tally.failed) + failedChecks + (refuseSkipped ? skipped.length : 0);
  console.log(`${total((tally) => tally.passed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function ensureTools(): void {
  const missing = tools.filter(({ program, probe }) => spawnSync(program, [probe], { stdio: 'ignore' }).error);
  if (missing.length === 0) return;
  const packages = missing.map(({ debian }) => debian);
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    console.log(`Installing ${packages.join(', ')} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const commands = [
      ['update', '-q'],
      ['install', '-y', '-q', '--no-install-recommends', ...packages],
    ];
    if (commands.every((args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env }).status === 0)) return;
  }
  console.error(`expected ${missing.map(({ program }) => program).join(', ')} on the PATH, got none; install ${packages.join(', ')}`);
  process.exit(2);
}
