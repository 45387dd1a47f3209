import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { errorDifferences, latencyDifferences, otherDifferences, type JudgeVectors } from './judge-agreement.ts';

const script = fileURLToPath(new URL('judge.py', import.meta.url));

async function printedVectors(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('python3', [script], { maxBuffer: 16 * 1024 * 1024, timeout: 60_000 });
    return stdout;
  } catch (cause) {
    throw new Error(`expected python3 on the PATH to run ${script}: install Python 3.8 or newer`, { cause });
  }
}

test('the independent implementation in Python prints vectors that the judge agrees with to 1e-9', async () => {
  const vectors = JSON.parse(await printedVectors()) as JudgeVectors;

  expect([...errorDifferences(vectors), ...latencyDifferences(vectors), ...otherDifferences(vectors)]).toStrictEqual([]);
});

test('the vectors checked in are of the shape the independent implementation prints today', async () => {
  const checkedIn = JSON.parse(readFileSync(new URL('judge-vectors.json', import.meta.url), 'utf8')) as JudgeVectors;
  const printed = JSON.parse(await printedVectors()) as JudgeVectors;

  expect(printed.errors.map((vector) => vector.batches)).toStrictEqual(checkedIn.errors.map((vector) => vector.batches));
  expect(Object.keys(printed)).toStrictEqual(Object.keys(checkedIn));
});
