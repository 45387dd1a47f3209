import { createClient, unwrap } from '../src/client/client.ts';
import type { Client } from '../src/client/client.ts';
import { readFile } from 'node:fs/promises';
import type { Person } from './people.ts';

export async function clientOf(server: string, person: Person): Promise<Client> {
  return createClient({ server, token: (await readFile(person.tokenFile, 'utf8')).trim() });
}

export function readRelease(client: Client, release: string) {
  return unwrap(client.GET('/api/v1/releases/{release}', { params: { path: { release } } }));
}

export function readPlan(client: Client, release: string) {
  return unwrap(client.GET('/api/v1/releases/{release}/plan', { params: { path: { release }, query: { to: 'production' } } }));
}

export interface SeenVerdict {
  readonly kind: string;
  readonly logE: number | null;
  readonly logEPass: number | null;
  readonly sentence: string;
  readonly seconds: number;
  readonly ratio: unknown;
  readonly requests: { readonly canary: number; readonly stable: number };
  readonly errors: { readonly canary: number; readonly stable: number };
}

/** What the judge says of a canary; undefined before its first batch. */
export async function findVerdict(client: Client, deployment: string) {
  const { data } = await client.GET('/api/v1/deployments/{deployment}/analysis', { params: { path: { deployment } } });
  if (!data) return undefined;
  const { alpha, beta } = data.settings as { readonly alpha: number; readonly beta: number };
  return { verdict: data.verdict as unknown as SeenVerdict, bounds: { harm: Math.log(1 / alpha), pass: Math.log(1 / beta) } };
}
