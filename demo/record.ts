import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../src/client/client.ts';
import { unwrap } from '../src/client/client.ts';

/**
 * Writes what the judge was given about a canary, and what it made of it, as a history that later versions are held
 * against: test/histories.
 */
export async function recordHistory(client: Client, deployment: string, folder: string): Promise<void> {
  const analysis = await unwrap(client.GET('/api/v1/deployments/{deployment}/analysis', { params: { path: { deployment } } }));
  const batches = [];
  let cursor: string | undefined;
  do {
    const query = { limit: 200, ...(cursor === undefined ? {} : { cursor }) };
    const page = await unwrap(client.GET('/api/v1/deployments/{deployment}/analysis/batches', { params: { path: { deployment }, query } }));
    batches.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  await mkdir(folder, { recursive: true });
  const history = { deployment, settings: analysis.settings, verdict: analysis.verdict, batches };
  await writeFile(join(folder, `${deployment}.json`), `${JSON.stringify(history)}\n`);
}
