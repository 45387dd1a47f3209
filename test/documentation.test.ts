import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../scripts/steps.ts';

const pages = globSync(['*.md', '{src,docs,demo,chaos,bench,test,scripts,examples}/**/*.md'], { cwd: root });
const files = globSync(['*', '{src,docs,db,demo,chaos,bench,test,scripts,examples,bin}/**/*'], { cwd: root });

test('every link between pages leads to a file', () => {
  const dead = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)].flatMap(([, link = '']) =>
      existsSync(join(root, dirname(page), link)) ? [] : [`${page}: ${link}`],
    ),
  );

  expect(pages.length).toBeGreaterThan(20);
  expect(dead).toEqual([]);
});

test('every file of the source that a page names is there', () => {
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/`((?:[\w.-]+\/)*[\w-]+(?:\.[\w-]+)*\.(?:ts|mjs|sql))`/g)].map(([, file = '']) => ({ page, file })),
  );
  // `concept.kind.ts`, `NNNN_name.sql`: a form, not a file.
  const gone = named.filter(({ file }) => !/(^|\/)(concept\.|NNNN)/.test(file)).filter(({ page, file }) => !isThere(page, file));

  expect(named.length).toBeGreaterThan(100);
  expect(gone).toEqual([]);
});

test('every test that docs/security.md calls as a witness exists under that name', () => {
  const cited = [...read('docs/security.md').matchAll(/“([^”]+)” \(`([^`]+)`\)/g)].map(([, name = '', file = '']) => ({ name, file }));
  const missing = cited.filter(({ name, file }) => !existsSync(join(root, file)) || !read(file).includes(name));

  expect(cited.length).toBeGreaterThan(40);
  expect(missing).toEqual([]);
});

/** A path, or the end of one. A bare name is below the folder of its page; in docs and the root it may be anywhere. */
function isThere(page: string, file: string): boolean {
  const folder = file.includes('/') || page.startsWith('docs/') || dirname(page) === '.' ? '' : `${dirname(page)}/`;
  return files.some((path) => path === file || (path.startsWith(folder) && `/${path}`.endsWith(`/${file}`)));
}

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}
