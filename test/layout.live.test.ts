import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** One planted violation per rule: a rule that nobody ever saw failing may be one that reads nothing. */
const planted = {
  'no-cycles': { 'src/planning/a.ts': `import './b.ts';`, 'src/planning/b.ts': `import './a.ts';` },
  'planning-knows-only-itself': { 'src/planning/knows.ts': `import '../governance/index.ts';` },
  'governance-knows-only-planning-artifacts': { 'src/governance/knows.ts': `import '../pipelines/index.ts';` },
  'enter-a-domain-by-its-index': { 'src/pipelines/enters.ts': `import '../planning/change.ts';` },
  'a-domain-never-names-a-driver': { 'src/environments/names.store.ts': `import '../drivers/router/client.ts';` },
  'a-driver-borrows-only-types': {
    'src/drivers/router/borrows.ts': `import { x } from '../../environments/router.port.ts'; console.log(x);`,
  },
  'platform-knows-no-domain': { 'src/platform/queue/knows.ts': `import '../../planning/index.ts';` },
  'rules-are-pure': { 'src/planning/impure.ts': `import '../platform/database/connect.ts';` },
  'rules-touch-no-machine': { 'src/validation/judge/reads.ts': `import { readFile } from 'node:fs/promises'; console.log(readFile);` },
  'web-and-cli-speak-http': { 'src/cli/shortcut.ts': `import '../platform/fault.ts';` },
} satisfies Record<string, Record<string, string>>;

/** What the rules allow, so that the reported ones are exactly the planted ones. */
const allowed = {
  'src/planning/index.ts': '',
  'src/planning/change.ts': '',
  'src/planning/change.store.ts': `import '../platform/database/connect.ts'; import 'node:fs';`,
  'src/governance/index.ts': '',
  'src/governance/asks.ts': `import '../planning/index.ts'; import { join } from 'node:path'; console.log(join);`,
  'src/pipelines/index.ts': '',
  'src/environments/router.port.ts': 'export const x = 1; export type Route = string;',
  'src/environments/router.contract.ts': '',
  'src/drivers/router/client.ts': `import type { Route } from '../../environments/router.port.ts'; export type R = Route;`,
  'src/drivers/router/client.live.test.ts': `import '../../environments/router.contract.ts';`,
  'src/platform/database/connect.ts': '',
  'src/platform/fault.ts': '',
};

const repository = join(import.meta.dirname, '..');
let reported: readonly { readonly rule: string; readonly from: string }[];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-layout-'));
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) await cp(join(repository, file), join(folder, file));
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, text] of Object.values({ allowed, ...planted }).flatMap((files) => Object.entries(files))) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text === '' ? 'export {};' : text);
  }
  const cruiser = join(repository, 'node_modules/.bin/depcruise');
  const { stdout } = spawnSync(process.execPath, [cruiser, 'src', '--output-type', 'json'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
  reported = summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }));
});
afterAll(() => rm(folder, { recursive: true }));

test.each(Object.entries(planted))('the layout rule %s bites', (rule, files) => {
  expect(reported.filter((each) => each.rule === rule).map(({ from }) => from)).toContain(Object.keys(files)[0]);
});

test('the layout rules refuse nothing but what was planted', () => {
  const culprits = new Set(Object.values(planted).flatMap((files) => Object.keys(files)));

  expect(reported.filter(({ from }) => !culprits.has(from))).toEqual([]);
});
