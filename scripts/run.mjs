#!/usr/bin/env node
/**
 * `node scripts/run.mjs FILE args…`: runs FILE on the Node 24 that is one of our dependencies, after installing the
 * dependencies when they are missing or not what package-lock.json says. Plain JavaScript without a dependency, because
 * it is all that runs on the Node (20 or newer) and the empty folder that people start with.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const pinnedNode = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** Runs `file` (relative to the repository) in the caller's folder; answers only when it cannot. */
export function run(file, args) {
  ensureInstalled();
  const argv = [join(root, file), ...args];
  // Compiled code is kept beside the packages, for this program and those it starts: a server or worker needs 0.4 s of
  // processor time to load instead of 0.75. Where the folder cannot be written, Node goes without.
  process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/node-compile');
  if (process.execve) process.execve(pinnedNode, [pinnedNode, ...argv], process.env);
  const child = spawn(pinnedNode, argv, { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole group; passing it on as well would deliver it twice.
  const passed = process.stdin.isTTY ? ['SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of passed) process.on(name, () => child.kill(name));
  if (process.stdin.isTTY) process.on('SIGINT', () => {});
  child.on('error', (error) => fail(`expected to start ${pinnedNode}, got: ${error.message}`, 'remove node_modules and try again'));
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
}

function ensureInstalled() {
  if (isInstalled()) return;
  const lock = join(tmpdir(), `tidegate-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  waitForLock(lock);
  try {
    if (!isInstalled()) install();
  } finally {
    rmSync(lock, { force: true });
  }
}

function install() {
  console.error('Installing dependencies (npm ci), once …');
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
  // The packages that need their install script are named in package.json, allowScripts.
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts=false', '--loglevel=error'];
  const { status, error } = spawnSync(npm[0], [...npm.slice(1), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  if (error || status !== 0) {
    fail(
      `expected \`npm ci\` to install the dependencies, got ${error ? error.message : `exit status ${status}`} (its words are above)`,
      'check the network and the npm registry, then try again',
    );
  }
  if (!isInstalled())
    fail(
      'expected `npm ci` to bring every package and Node 24, got less',
      'see whether npm is told to omit packages (npm config get omit)',
    );
}

/** Compares what npm says it installed with the lock: a folder's age says nothing after `git checkout`. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  if (!wanted || !present || !existsSync(pinnedNode)) return false;
  const production = process.env.NODE_ENV === 'production' || (process.env.npm_config_omit ?? '').split(/\s+/).includes('dev');
  return Object.entries(wanted).every(([path, { version, optional, devOptional, dev, peer }]) => {
    if (path === '') return true;
    const found = present[path];
    return found ? found.version === version : Boolean(optional || devOptional || peer || (dev && production));
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Two commands on a fresh clone must not install over each other. A lock whose owner is gone is taken over. */
function waitForLock(lock) {
  for (let told = false; ;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readOr(lock, ''));
    if (!isRunning(owner)) rmSync(lock, { force: true });
    else if (!told) console.error(`Waiting for process ${owner}, which is installing …`);
    told = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  }
}

function readOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

function isRunning(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function fail(problem, remedy) {
  console.error(`${problem}; ${remedy}`);
  process.exit(2);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [file, ...args] = process.argv.slice(2);
  if (file === undefined) fail('expected a file to run, got none', 'node scripts/run.mjs FILE args…');
  run(file, args);
}
