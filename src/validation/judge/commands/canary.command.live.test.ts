import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PoissonLaw, seededRandom } from '../simulation/random.ts';

// Each of these starts a process or two, which a busy machine may take its time for.
vi.setConfig({ testTimeout: 60_000 });

const root = join(import.meta.dirname, '../../../..');
const header = 'run,second,canaryRequests,stableRequests,canaryErrors,stableErrors';
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-canary-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The program as a user runs it: a process of its own. */
function canary(args: readonly string[], input = ''): { readonly code: number | null; readonly out: string; readonly err: string } {
  const node = join(root, 'node_modules/node/bin/node');
  const { status, stdout, stderr } = spawnSync(node, [join(root, 'src/tidegate.ts'), 'canary', ...args], {
    input,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: status, out: stdout, err: stderr };
}

/** Runs of 600 s at 200 requests/s and 5 %: even ones four times as bad, odd ones good. */
function recorded(runs: number): string {
  const laws = { bad: new PoissonLaw(0.2), good: new PoissonLaw(0.05), stable: new PoissonLaw(0.95) };
  const rows = Array.from({ length: runs }, (_, run) => {
    const random = seededRandom(7, run);
    return Array.from(
      { length: 600 },
      (__, second) => `${run},${second},10,190,${(run % 2 === 0 ? laws.bad : laws.good).draw(random)},${laws.stable.draw(random)}`,
    );
  });
  return [header, ...rows.flat()].join('\n');
}

describe('tidegate canary judge', () => {
  test('prints one object per run, with exactly the documented fields', () => {
    const { code, out, err } = canary(['judge', '--input', '-', '--json'], recorded(4));
    const answers = JSON.parse(out) as readonly {
      run: number;
      verdict: string;
      rollbackAtSecond: number | null;
      passAtSecond: number | null;
    }[];

    expect([code, err]).toEqual([0, '']);
    expect(answers.map(({ run, verdict }) => [run, verdict])).toEqual([
      [0, 'rollback'],
      [1, 'pass'],
      [2, 'rollback'],
      [3, 'pass'],
    ]);
    expect(Object.keys(answers[0] ?? {})).toEqual(['run', 'verdict', 'rollbackAtSecond', 'passAtSecond', 'logE', 'ratio']);
    expect(answers[0]?.rollbackAtSecond).toBeGreaterThan(0);
  });

  test('a file and standard input give the same, every method judges', () => {
    const file = join(folder, 'counts.csv');
    const text = recorded(1);
    writeFileSync(file, text);
    for (const method of ['a1', 'a2', 'a3', 'a4']) {
      const fromFile = canary(['judge', '--input', file, '--method', method, '--horizon', '3600', '--json']);
      expect(fromFile).toEqual(canary(['judge', '--input', '-', '--method', method, '--horizon', '3600', '--json'], text));
      expect(JSON.parse(fromFile.out)).toMatchObject([{ verdict: 'rollback' }]);
    }
  });

  test('exit codes tell a pipeline only when asked', () => {
    const nothing = `${header}\n0,0,0,190,0,1\n`;
    expect(canary(['judge', '--input', '-'], recorded(1)).code).toBe(0);
    expect(canary(['judge', '--input', '-', '--exit-code'], recorded(1)).code).toBe(7);
    const inconclusive = canary(['judge', '--input', '-', '--exit-code', '--json'], nothing);
    expect([inconclusive.code, inconclusive.out]).toEqual([3, expect.stringContaining('"verdict":"inconclusive"')]);
    const good = recorded(2)
      .split('\n')
      .filter((row) => !row.startsWith('0,'))
      .join('\n');
    expect(canary(['judge', '--input', '-', '--exit-code'], good).code).toBe(0);
  });

  test('a fault on the last line leaves standard output empty', () => {
    const { code, out, err } = canary(['judge', '--input', '-', '--json'], `${recorded(3)}\n2,600,10,190,11,-1\n`);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('standard input:1802:17: expected a whole number from 0, got "-1"');
  });

  test.each([
    [['--input', '-', '--alpha', '0'], '--alpha: expected a number between 0 and 1, got 0'],
    [['--input', '-', '--alpha', '1'], '--alpha: expected a number between 0 and 1, got 1'],
    [['--input', '-', '--alpha', 'NaN'], '--alpha: expected a number, got "NaN"'],
    [['--input', '-', '--rho0', '2'], '--rho0: expected less than the non-inferiority ratio 2, got 2'],
    [['--input', '-', '--rho0', '3', '--ni', '2.5'], '--rho0: expected less than the non-inferiority ratio 2.5, got 3'],
    [['--input', '-', '--method', 'b1'], '--method: expected one of a1, a2, a3, a4, got "b1"'],
    [['--input', 'no-such-file.csv'], 'no-such-file.csv: expected a readable file, got no such file'],
    [['--input', '.'], '.: expected a readable file, got a folder'],
    [[], 'expected one of --input, --latency, --kayenta, --argo, --flagger, got none'],
    [['--input', '-', '--argo', '-'], 'got --input and --argo'],
    [['--nonsense'], "unknown option '--nonsense'"],
  ])('%j is bad input', (args, message) => {
    const { code, out, err } = canary(['judge', ...args], recorded(1));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });

  test('latencies give a line per batch', () => {
    const batch = (factor: number): string =>
      JSON.stringify({
        canary: [10, 11, 12, 13].map((ms) => ms * factor),
        stable: Array.from({ length: 40 }, (_, index) => 5 + index / 4),
      });
    const { code, out } = canary(
      ['judge', '--latency', '-', '--json'],
      [batch(1), batch(3), ...Array.from({ length: 20 }, () => batch(3))].join('\n'),
    );
    const answers = out
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { batch: number; verdict: string });

    expect(code).toBe(0);
    expect(Object.keys(answers[0] ?? {})).toEqual(['batch', 'logE', 'logERank', 'logETail5', 'logETail1', 'verdict']);
    expect([answers[0]?.verdict, answers.at(-1)?.verdict, answers.length]).toEqual(['continue', 'rollback', 22]);
  });

  test('a latency that is not a number is refused with its place', () => {
    const { code, out, err } = canary(
      ['judge', '--latency', '-', '--json'],
      '{"canary":[1,2],"stable":[3]}\n{"canary":[1,NaN],"stable":[3]}\n',
    );
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('standard input:2:14: expected JSON, got "NaN"');
  });

  test('cases of Kayenta, Argo and Flagger give a line each', () => {
    const kayenta = canary(
      ['judge', '--kayenta', '-', '--json'],
      '{"control":[],"experiment":[1],"mustHaveData":true}\n{"control":["NaN"],"experiment":[1],"nanStrategy":"replace"}',
    );
    expect(kayenta.out.split('\n')[0]).toBe('{"classification":"NodataFailMetric","critical":false,"reason":"Missing data for metric"}');
    expect(kayenta.out.trim().split('\n')).toHaveLength(2);
    const argo = canary(['judge', '--argo', '-', '--exit-code'], '{"metric":{"successCondition":"result < 1"},"measurements":[2]}');
    expect([argo.code, argo.out]).toEqual([7, expect.stringContaining('failed (1) > failureLimit (0)')]);
    const flagger = canary(
      ['judge', '--flagger', '-', '--json'],
      '{"analysis":{"metrics":[{"name":"request-success-rate","threshold":99}]},"checks":[{"request-success-rate":98}]}',
    );
    expect(JSON.parse(flagger.out)).toMatchObject({ phase: 'Failed', decidedAtSecond: 60 });
  });
});

describe('tidegate canary power', () => {
  test('says how long, and when it cannot fire', () => {
    const { code, out } = canary(['power', '--rps', '40', '--share', '0.05', '--base', '0.005']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^A canary with 2 times the errors is noticed in about 29 minutes\./)]);
    const never = canary(['power', '--rps', '40', '--share', '0', '--base', '0.005', '--json']);
    expect(JSON.parse(never.out)).toMatchObject({ canFire: false, seconds: null, sentence: expect.stringContaining('cannot fire') });
  });

  test('tells every bad option at once', () => {
    const { code, out, err } = canary(['power', '--share', '2', '--base', 'x']);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('--rps: expected requests per second, from 0, got nothing');
    expect(err).toContain('--share: expected a share from 0 to 1, got 2');
    expect(err).toContain('--base: expected a number, got "x"');
  });
});

describe('tidegate canary report', () => {
  test('writes one page that asks for nothing from anywhere', () => {
    const page = join(folder, 'report.html');
    const latency = join(folder, 'batches.jsonl');
    writeFileSync(latency, '{"canary":[10,20,30],"stable":[9,19,29,31]}\n');
    const { code } = canary(['report', '--input', '-', '--latency', latency, '--html', page], recorded(2));
    const html = readFileSync(page, 'utf8');

    expect(code).toBe(0);
    expect(html).not.toMatch(/<script|https?:|@import|url\(|<link|<img/);
    expect(html.match(/<svg/g)).toHaveLength(8);
    expect(html).toContain('rolled back at second');
    expect(html).toContain("default-src 'none'");
  });

  test('a name that looks like markup stays text', () => {
    const hostile = join(folder, '<img src=x onerror=alert(1)>.csv');
    writeFileSync(hostile, recorded(1));
    const { out } = canary(['report', '--input', hostile, '--html', '-']);
    expect(out).not.toContain('<img');
  });
});

describe('tidegate canary simulate', () => {
  test('the same seed gives the same table on any number of cores, progress goes to standard error', () => {
    const args = ['simulate', '--scenario', '4x', '--runs', '45', '--seed', '3', '--json'];
    const one = canary([...args, '--workers', '1']);
    const two = canary([...args, '--workers', '2']);
    expect(one.out).toBe(two.out);
    expect(one.err).toContain('simulating 100 %');
    const { rows } = JSON.parse(one.out) as { rows: readonly { judge: string; runs: number; detected: { value: number } }[] };
    expect(rows.map(({ judge }) => judge)).toEqual(expect.arrayContaining(['a1', 'a4', 'argo-1m-fl3', 'flagger-1m-5', 'kayenta-5m']));
    expect(rows.every(({ runs, detected }) => runs === 45 && detected.value > 0.9)).toBe(true);
  });

  test('an unknown scenario is bad input', () => {
    const { code, err } = canary(['simulate', '--scenario', 'storm', '--runs', '0']);
    expect(code).toBe(2);
    expect(err).toContain('--scenario: expected one of aa, incident');
    expect(err).toContain('--runs: expected a whole number from 1');
  });
});
