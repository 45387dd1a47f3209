import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toyKind, toyKinds } from '../../../test/support/toy-kinds.ts';
import { anyDocumentSchema, documentSchema } from './kinds.ts';
import { maximumText, parseResources } from './parse.ts';

function parse(text: string, name = 'toys.yaml'): ReturnType<typeof parseResources> {
  return parseResources([{ name, text }], toyKinds);
}

function shown(text: string): readonly string[] {
  return parse(text).faults.map((fault) => `${fault.line}:${fault.column} ${fault.pointer ?? ''} ${fault.detail}`);
}

const toy = (name: string, spec: string): string => `apiVersion: tidegate.dev/v1\nkind: Toy\nmetadata: { name: ${name} }\nspec: ${spec}\n`;

test('several documents of a file become resources, with their defaults', () => {
  const { resources, faults } = parse(`# toys\n${toy('a', '{ version: "1" }')}---\n${toy('b', '{ version: "2", colour: green }')}---\n`);

  expect(faults).toEqual([]);
  expect(resources.map(({ kind, name, spec }) => ({ kind, name, spec }))).toEqual([
    { kind: 'Toy', name: 'a', spec: { version: '1', colour: 'red', parts: [] } },
    { kind: 'Toy', name: 'b', spec: { version: '2', colour: 'green', parts: [] } },
  ]);
});

test('all faults of a file are named at once, each with line, column and pointer', () => {
  const text = `apiVersion: tidegate.dev/v1
kind: Toy
metadata:
  name: Not A Name
spec:
  version: 1.10
  colour: gren
  partz: []
  parts:
    - name: wheel
      weight: 120
    - weight: 5
---
apiVersion: tidegate.dev/v2
kind: Toi
metadata: { name: x }
spec: {}
`;

  expect(shown(text)).toEqual([
    '4:9 /metadata/name expected a name of lower-case letters, digits, dots and hyphens that begins and ends with a letter or digit, got the text "Not A Name"',
    '6:12 /spec/version expected a text, got 1.1; put it in quotes',
    '7:11 /spec/colour expected one of red, green, got the text "gren", did you mean "green"?',
    '8:3 /spec/partz unknown field "partz", did you mean "parts"?',
    '11:15 /spec/parts/0/weight expected at most 100, got 120',
    '12:7 /spec/parts/1/name expected a text, but the field is missing',
    '14:13 /apiVersion expected "tidegate.dev/v1", got the text "tidegate.dev/v2"',
    '15:7 /kind expected one of Toy, Box, Principal, Role, got the text "Toi", did you mean "Toy"?',
  ]);
});

test('a fault says which of several files it is in', () => {
  const { faults } = parseResources(
    [
      { name: 'good.yaml', text: toy('a', '{ version: "1" }') },
      { name: 'bad.yaml', text: toy('b', '{}') },
    ],
    toyKinds,
  );

  expect(faults.map((fault) => fault.file)).toEqual(['bad.yaml']);
});

test('broken YAML is refused with its place, and does not hide the faults of other documents', () => {
  const faults = shown(`kind: [1\nb: 2\n---\n${toy('a', '{ version: "1", colour: blue }')}`);

  expect(faults.some((fault) => /^\d+:\d+ {2}/.test(fault))).toBe(true);
  expect(parse(`a: 1\na: 2`).faults[0]).toMatchObject({ line: 2, column: 1, code: 'yaml.malformed' });
});

test('a resource named twice is refused at the second place, which names the first', () => {
  const { faults } = parse(`${toy('a', '{ version: "1" }')}---\n${toy('a', '{ version: "2" }')}`);

  expect(faults).toMatchObject([
    { line: 8, code: 'resource.repeated', detail: 'expected each resource once, got Toy a again after toys.yaml:3' },
  ]);
});

test('anchors work, a bomb of aliases does not', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;

  expect(parse(toy('a', '{ version: &v "1", box: *v }')).faults.map((fault) => fault.code)).toEqual([]);
  expect(parse(bomb).faults.map((fault) => fault.code)).toEqual(['yaml.aliases']);
});

test('nesting without end is refused before anything recurses into it', () => {
  expect(parse(`a: ${'['.repeat(100_000)}`).faults.map((fault) => fault.code)).toEqual(['yaml.too-deep']);
  expect(parse(`a: ${'{a: '.repeat(5_000)}`).faults.map((fault) => fault.code)).toEqual(['yaml.too-deep']);
});

test('a text beyond the limit is refused unread', () => {
  expect(parse('#'.repeat(maximumText + 1)).faults.map((fault) => fault.code)).toEqual(['yaml.too-large']);
});

test('a text of a million signs is refused before a tree is built, in one file or spread over many', () => {
  const codes = (files: readonly string[]): readonly (string | undefined)[] =>
    parseResources(
      files.map((text, index) => ({ name: `${index}`, text })),
      toyKinds,
    ).faults.map((fault) => fault.code);

  expect(codes([`[${'a,'.repeat(500_000)}]`])).toEqual(['yaml.too-many']);
  expect(new Set(codes(Array.from({ length: 40 }, () => `[${'a,'.repeat(5_000)}]`)))).toEqual(new Set(['yaml.too-many', 'value.type']));
});

test('of very many faults the first five hundred are told', () => {
  const keys = Array.from({ length: 3_000 }, (_, index) => `  k${index}: 1`).join('\n');

  expect(parse(`apiVersion: tidegate.dev/v1\nkind: Toy\nmetadata: { name: a }\nspec:\n  version: "1"\n${keys}\n`).faults).toHaveLength(500);
});

test('a document that is no map, and tags nobody knows, are faults', () => {
  expect(parse('just text').faults).toMatchObject([{ line: 1, column: 1, detail: 'expected a map, got the text "just text"' }]);
  expect(parse(`a: !!js/function "x"`).faults.map((fault) => fault.code)).toContain('yaml.malformed');
});

test('a member named __proto__ changes nothing but is an unknown field', () => {
  const { faults } = parse(toy('a', '{ version: "1", __proto__: { colour: green } }'));

  expect(faults).toMatchObject([{ code: 'field.unknown' }]);
  expect(({} as { colour?: string }).colour).toBeUndefined();
});

test('no text makes the reader crash, and each fault has a place inside the text', () => {
  const piece = fc.constantFrom(
    'a: ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a',
    '\n',
    '  ',
    '---\n',
    '"',
    "'",
    '|',
    '>',
    '#',
    '!!str ',
    '? ',
    ': ',
    'kind: Toy\n',
    'spec:\n',
    '\t',
    '%',
    '<<: ',
    'é',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
      (text) => {
        const { faults, resources } = parse(text);
        const lines = text.split('\n').length;
        expect(resources).toEqual([]);
        for (const fault of faults)
          expect(fault.line === undefined || (fault.line >= 1 && fault.line <= lines && (fault.column ?? 0) >= 1)).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

test('editors are given a schema for each kind, in which unknown fields are refused', () => {
  const schema = documentSchema(toyKind);

  expect(schema).toMatchObject({
    title: 'Toy',
    additionalProperties: false,
    properties: { kind: { const: 'Toy' }, spec: { required: ['version'], additionalProperties: false } },
  });
  expect(anyDocumentSchema(toyKinds)['allOf']).toHaveLength(4);
});
