import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pagePath, readPage, renderPage, rowsOf } from './errors.ts';
import { scanCodes, scanSources } from './stable-codes.ts';

test('docs/errors.md lists every stable code of the source with its status, and no other', () => {
  const scan = scanCodes();
  const listed = readPage(readFileSync(pagePath, 'utf8')).map(({ section, code, as }) => ({ section, code, as }));

  // Say such a code as a literal, or name the words of its template in scripts/stable-codes.ts.
  expect(scan.unread).toEqual([]);
  expect(listed.length).toBeGreaterThan(200);
  // Else: npm run errors, then write what new codes mean.
  expect(listed).toEqual(rowsOf(scan.found));
});

test('each stable code says what it means and what to do', () => {
  const page = readPage(readFileSync(pagePath, 'utf8'));

  expect(page.filter(({ means, remedy }) => means === '' || remedy === '')).toEqual([]);
});

test('a code is found as literal, behind a condition, in a template, and as the argument of a function', () => {
  const text = `
    new Fault({ code: late ? 'a.late' : 'a.early', status: 409, message: 'm' });
    const reason = { code: held?.code ?? 'b.held', sentence: 's' };
    function refuse(code: string) { return new Fault({ code, status: 422, message: 'm' }); }
    refuse('c.refused');
    const driver = { processName: 'host' };
    new Fault({ code: \`\${options.processName}.timeout\`, status: 504, message: 'm' });
    new Fault({ code: fault.code, message: 'm' });
    const issue = { code: 'custom' };`;

  expect(scanSources(new Map([['a.ts', text]]))).toEqual({
    found: [
      { code: 'a.late', file: 'a.ts', as: 'fault', statuses: [409] },
      { code: 'a.early', file: 'a.ts', as: 'fault', statuses: [409] },
      { code: 'b.held', file: 'a.ts', as: 'reason', statuses: [] },
      { code: 'c.refused', file: 'a.ts', as: 'fault', statuses: [422] },
      { code: 'host.timeout', file: 'a.ts', as: 'fault', statuses: [504] },
    ],
    unread: [],
  });
});

test('a code made in a way nobody can list is reported', () => {
  expect(scanSources(new Map([['a.ts', 'new Fault({ code: `x.${anything}`, message: "m" })']])).unread).toHaveLength(1);
});

test('a new code gets a row without words, a gone one loses its row, and words that were written stay', () => {
  const page =
    '# Codes\n\n## Requests\n\n| code | status |  |  |\n|-|-|-|-|\n| `a.kept` | 400 | It was. | Do. |\n| `b.gone` | 400 | x | y |\n';
  const rows = ['a.kept', 'c.new'].map((code) => ({ section: 'Requests', code, as: '409' }));

  expect(readPage(renderPage(page, rows))).toEqual([
    { section: 'Requests', code: 'a.kept', as: '409', means: 'It was.', remedy: 'Do.' },
    { section: 'Requests', code: 'c.new', as: '409', means: '', remedy: '' },
  ]);
});
