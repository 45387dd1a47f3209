/**
 * `npm run errors`: brings docs/errors.md in line with the codes in the source. The words of a row (what it means, what to
 * do) are kept by hand in the page; which rows there are, and their kind and status, comes from the source. A new code gets
 * a row without words, and scripts/errors.test.ts fails until somebody writes them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scanCodes, type StableCode } from './stable-codes.ts';
import { root } from './steps.ts';

/** Where a code is made decides its section; the first that fits. */
const sections: readonly (readonly [prefix: string, title: string])[] = [
  ['src/platform/http/', 'Requests'],
  ['src/platform/identity/', 'People, roles and tokens'],
  ['src/platform/resources/', 'Configuration as code'],
  ['src/platform/schema-fault', 'Configuration as code'],
  ['src/platform/fault', 'Configuration as code'],
  ['src/environments/', 'Configuration as code'],
  ['src/pipelines/pipeline.kind', 'Configuration as code'],
  ['src/drivers/git/', 'Tags and repositories'],
  ['src/pipelines/create-release.ts', 'Tags and repositories'],
  ['src/artifacts/', 'Builds and artifacts'],
  ['src/drivers/host-build/', 'Builds and artifacts'],
  ['src/drivers/directory-store/', 'Builds and artifacts'],
  ['src/governance/', 'Approvals and freezes'],
  ['src/validation/', 'Health, soak and the judge'],
  ['src/pipelines/', 'Releases and deployments'],
  ['src/drivers/', 'Router and host'],
  ['src/platform/control-socket/', 'Router and host'],
  ['src/platform/ledger/', 'Ledger'],
  ['src/platform/database/', 'Database'],
  ['src/', 'Processes and durable work'],
];

const kinds = { fault: '', reason: 'reason', detail: 'detail', finding: 'finding' } as const satisfies Record<StableCode['as'], string>;

export interface Row {
  readonly section: string;
  readonly code: string;
  /** `409`, `reason`, `423, reason`. */
  readonly as: string;
}

/** One row a code, sections and rows in order. */
export function rowsOf(found: readonly StableCode[]): readonly Row[] {
  const uses = Map.groupBy(found, ({ code }) => code);
  const order = [...new Set(sections.map(([, title]) => title))];
  return [...uses]
    .map(([code, places]) => ({ code, section: sectionOf(places), as: describeAs(places) }))
    .toSorted((a, b) => order.indexOf(a.section) - order.indexOf(b.section) || (a.code < b.code ? -1 : 1));
}

function sectionOf(places: readonly StableCode[]): string {
  const rank = (file: string): number => sections.findIndex(([prefix]) => file.startsWith(prefix));
  return sections[Math.min(...places.map(({ file }) => rank(file)))]?.[1] ?? '';
}

function describeAs(places: readonly StableCode[]): string {
  const statuses = places.flatMap(({ statuses: numbers }) => numbers).toSorted((a, b) => a - b);
  return [...new Set([...statuses.map(String), ...places.map(({ as }) => kinds[as]).filter((word) => word !== '')])].join(', ');
}

/** The cells of each table row of a page, without heads and rules, under the section they stand in. */
export function readPage(page: string): readonly (Row & { readonly means: string; readonly remedy: string })[] {
  let section = '';
  return page.split('\n').flatMap((line) => {
    if (line.startsWith('## ')) section = line.slice(3);
    const [, code, as = '', means = '', remedy = ''] = line.split('|').map((cell) => cell.trim());
    return code?.startsWith('`') ? [{ section, code: code.replaceAll('`', ''), as, means, remedy }] : [];
  });
}

export function renderPage(page: string, rows: readonly Row[]): string {
  const known = new Map(readPage(page).map((row) => [row.code, row]));
  const head = page.slice(0, page.indexOf('\n## ')).trimEnd();
  const tables = [...Map.groupBy(rows, ({ section }) => section)].map(([section, own]) => {
    const cells = own.map(({ code, as }) => [`\`${code}\``, as, known.get(code)?.means ?? '', known.get(code)?.remedy ?? '']);
    return `## ${section}\n\n${tableOf([['code', 'status', 'what it means', 'what to do'], ...cells])}`;
  });
  return `${[head, ...tables].join('\n\n')}\n`;
}

/** Aligned as the formatter aligns it. */
function tableOf(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...rest] = lines;
  return [render(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(render)].join('\n');
}

export const pagePath: string = join(root, 'docs/errors.md');

if (import.meta.main) {
  writeFileSync(pagePath, renderPage(readFileSync(pagePath, 'utf8'), rowsOf(scanCodes().found)));
  const bare = readPage(readFileSync(pagePath, 'utf8')).filter(({ means, remedy }) => means === '' || remedy === '');
  console.log(
    bare.length === 0 ? 'docs/errors.md is complete' : `docs/errors.md wants words for ${bare.map(({ code }) => code).join(', ')}`,
  );
}
