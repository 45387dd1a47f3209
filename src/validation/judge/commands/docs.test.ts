import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judgeArgoLine } from './argo-cases.ts';
import { judgeFlaggerLine } from './flagger-cases.ts';
import type { JsonLine } from './json-lines.ts';
import { judgeKayentaLine } from './kayenta-cases.ts';
import { latencyBatchOf } from './latency-batches.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/canary-commands.md'), 'utf8');

/** The JSON lines of a section's examples. */
function examplesOf(section: string): readonly unknown[] {
  const text = page.split(`## judge --${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const blocks = [...text.matchAll(/```jsonl\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'));
  return blocks.map((line): unknown => JSON.parse(line));
}

test.each([
  ['kayenta', judgeKayentaLine, 1],
  ['argo', judgeArgoLine, 2],
  ['flagger', judgeFlaggerLine, 1],
] as const)('the examples of --%s in the manual can be judged', (section, judge: (line: JsonLine) => unknown, count) => {
  const examples = examplesOf(section);
  expect(examples).toHaveLength(count);
  for (const value of examples) {
    const complain = (path: readonly unknown[], detail: string): never => expect.fail(`${path.join('/')}: ${detail}`);
    expect(judge({ value, number: 1, complain })).toBeDefined();
  }
});

test('the example of --latency in the manual can be read', () => {
  expect(page).toContain('`{"canary":[12.1,15],"stable":[11.8,14.2]}`');
  const value = { canary: [12.1, 15], stable: [11.8, 14.2] };
  expect(latencyBatchOf({ value, number: 1, complain: () => expect.fail('no complaint') })).toEqual(value);
});
