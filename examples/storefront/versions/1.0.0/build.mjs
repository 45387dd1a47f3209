// Builds dist/: the sources, checked, and version.json. The same commit gives the same bytes, wherever it is built.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const commit = process.env.SOURCE_COMMIT ?? 'unknown';

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
for (const file of readdirSync('src').sort()) {
  execFileSync(process.execPath, ['--check', `src/${file}`], { stdio: 'inherit' });
  copyFileSync(`src/${file}`, `dist/${file}`);
  console.log(`dist/${file}`);
}
writeFileSync('dist/package.json', `${JSON.stringify({ type: 'module', private: true })}\n`);
writeFileSync('dist/version.json', `${JSON.stringify({ version, commit })}\n`);
console.log(`storefront ${version} of ${commit}`);
