import { Fault } from './fault.ts';

/**
 * A fencing token guards a key (a lane): whoever took the lease last holds the highest token, and a process that lost its
 * lease while it slept comes with a lower one. The guarded side remembers the highest token it has seen.
 */
export function requireFence(key: string, seen: number, token: number): void {
  if (token >= seen) return;
  throw new Fault({
    code: 'lease.fenced',
    status: 409,
    message: `expected a fencing token of at least ${seen} for ${key}, got ${token}`,
    remedy: 'Another worker holds this lane now; read the state anew.',
  });
}

export function requireFenceOf(key: string, fenceKey: string): void {
  if (key === fenceKey) return;
  throw new Fault({ code: 'lease.other-lane', status: 422, message: `expected a fencing token of ${key}, got one of ${fenceKey}` });
}
