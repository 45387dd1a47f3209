import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toyKinds } from '../../../test/support/toy-kinds.ts';
import { canonicalJson } from '../digest.ts';
import { digestOfResource, parseResources } from './parse.ts';
import { checkApply, checkDeletion, differencesOf, planApply } from './plan.ts';
import type { Resource, StoredResource } from './resource.ts';

function stored(resource: Pick<Resource, 'kind' | 'name' | 'spec'>, version = 1): StoredResource {
  const whole = { ...resource, labels: {} };
  const irrelevant = new Date(0);
  return { ...whole, version, digest: digestOfResource(whole), createdAt: irrelevant, updatedAt: irrelevant, updatedBy: 'ann' };
}

const box = { kind: 'Box', name: 'big', labels: {}, spec: { size: 1 } };

test('a plan creates what is missing, changes what differs field by field, and leaves the rest alone', () => {
  const plan = planApply(
    [
      { ...box, name: 'new' },
      { ...box, spec: { size: 2 } },
      { ...box, name: 'same' },
    ],
    [stored(box, 3), stored({ ...box, name: 'same' }), stored({ ...box, name: 'unnamed' })],
  );

  expect(plan.changes).toEqual([
    {
      kind: 'Box',
      name: 'new',
      action: 'create',
      differences: [
        { pointer: '/labels', after: {} },
        { pointer: '/spec/size', after: 1 },
      ],
    },
    { kind: 'Box', name: 'big', action: 'change', version: 3, differences: [{ pointer: '/spec/size', before: 1, after: 2 }] },
    { kind: 'Box', name: 'same', action: 'unchanged', version: 1, differences: [] },
  ]);
});

test('a plan has another digest as soon as the stored state or the files moved, whatever the order of the files', () => {
  const a = { ...box, name: 'a' };
  const digest = planApply([box, a], [stored(box)]).digest;

  expect(planApply([a, box], [stored(box)]).digest).toBe(digest);
  expect(planApply([box, a], [stored(box, 2)]).digest).not.toBe(digest);
  expect(planApply([box, a], []).digest).not.toBe(digest);
  expect(planApply([{ ...box, spec: { size: 9 } }, a], [stored(box)]).digest).not.toBe(digest);
});

test('equal values have no differences, unequal ones have some', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
      expect(differencesOf(normal(a), normal(a))).toEqual([]);
      expect(differencesOf(normal(a), normal(b)).length === 0).toBe(canonicalJson(a) === canonicalJson(b));
    }),
  );
});

test('a reference may be to what the same apply creates, and is refused at its place when nothing has the name', () => {
  const toy = (boxName: string): string =>
    `apiVersion: tidegate.dev/v1\nkind: Toy\nmetadata: { name: car }\nspec: { version: "1", box: ${boxName} }\n---\napiVersion: tidegate.dev/v1\nkind: Box\nmetadata: { name: small }\nspec: { size: 1 }\n`;
  const faultsFor = (name: string) => checkApply(parseResources([{ name: 'f', text: toy(name) }], toyKinds).resources, [], toyKinds);

  expect(faultsFor('small')).toEqual([]);
  expect(faultsFor('large')).toMatchObject([{ file: 'f', line: 4, column: 28, pointer: '/spec/box', code: 'toy.box-unknown' }]);
});

test('what others refer to cannot go; what was broken before does not block', () => {
  const car = stored({ kind: 'Toy', name: 'car', spec: { version: '1', box: 'big' } });
  const lost = stored({ kind: 'Toy', name: 'lost', spec: { version: '1', box: 'gone' } });

  expect(checkDeletion(stored(box), [stored(box), car, lost], toyKinds).map((fault) => fault.detail)).toEqual([
    'Toy car, which stays: expected the name of a Box, got "big"',
  ]);
  expect(checkDeletion(car, [stored(box), car, lost], toyKinds)).toEqual([]);
});
