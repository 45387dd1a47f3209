/**
 * `npm ci` refuses a package-lock.json that does not name every platform's optional package, and npm leaves out the ones
 * that the registry it asked did not have at that moment (mirrors lag behind for other platforms). This checks that the
 * lock is complete and names no registry host; `--fix` adds what is missing: version, os, cpu and libc, which is all npm
 * needs to know that this machine skips them. Run it after `npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly engines?: Readonly<Record<string, string>>;
  readonly license?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const file = join(import.meta.dirname, '../package-lock.json');
const text = readFileSync(file, 'utf8');
const lock = JSON.parse(text) as { packages: Record<string, Entry> };

const missing = Object.values(lock.packages).flatMap((parent) =>
  Object.entries(parent.optionalDependencies ?? {})
    .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => ({ name, version, parent })),
);
const hosts = Object.entries(lock.packages).filter(([, { resolved }]) => resolved?.includes('://'));

if (hosts.length > 0)
  fail(`expected package-lock.json to name no host, got ${hosts.length} addresses`, 'set omit-lockfile-registry-resolved=true');
if (missing.length > 0 && !process.argv.includes('--fix')) {
  fail(
    `expected every optional package in package-lock.json, got none for ${missing.map(({ name }) => name).join(', ')}`,
    '`node scripts/run.mjs scripts/lockfile.ts --fix`',
  );
}
for (const { name, version, parent } of missing) {
  const { cpu, libc, os } = platformOf(name);
  // In npm's own order of keys, so that the next `npm install` changes nothing.
  lock.packages[`node_modules/${name}`] = {
    version,
    cpu,
    ...(parent.dev ? { dev: true } : {}),
    ...(libc ? { libc } : {}),
    ...(parent.license ? { license: parent.license } : {}),
    optional: true,
    os,
    ...(parent.engines ? { engines: parent.engines } : {}),
  } as Entry;
}
if (missing.length > 0) {
  const [root, ...rest] = Object.entries(lock.packages);
  const sorted = rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(root ? [root, ...sorted] : sorted) }, null, 2)}\n`);
}

/** Native packages are named for where they run: `binding-linux-x64-musl`, `darwin-arm64`. */
function platformOf(name: string): { readonly cpu: readonly string[]; readonly libc?: readonly string[]; readonly os: readonly string[] } {
  const words = name.replace(/^.*\/(binding-)?/, '').split('-');
  const [os, cpu, abi] = words;
  if (os === undefined || cpu === undefined) throw new Error(`expected a package named for its platform, got ${name}`);
  const libc = abi?.startsWith('musl') ? ['musl'] : abi?.startsWith('gnu') ? ['glibc'] : undefined;
  return { cpu: [cpu], ...(os === 'linux' && libc ? { libc } : {}), os: [os] };
}

function fail(problem: string, remedy: string): never {
  console.error(`${problem}; ${remedy}`);
  process.exit(1);
}
