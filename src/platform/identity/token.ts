import { Fault } from '../fault.ts';

/** What is known of a token; the token itself is known to its holder only. */
export interface Token {
  readonly id: string;
  readonly principal: string;
  readonly description: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  readonly revokedBy: string | undefined;
  /** Exact to five minutes. */
  readonly lastUsedAt: Date | undefined;
}

/** `tg_` and 256 bits in base64url: secret scanners know it by its beginning. */
export const tokenPattern = /^tg_[A-Za-z0-9_-]{43}$/;

export const longestLifeDays = 365;
export const usualLifeDays = 90;
export const lastUseExactToMs = 5 * 60 * 1000;

export type TokenState = 'active' | 'expired' | 'revoked';

export function stateOf(token: Pick<Token, 'expiresAt' | 'revokedAt'>, now: Date): TokenState {
  if (token.revokedAt !== undefined) return 'revoked';
  return token.expiresAt.getTime() <= now.getTime() ? 'expired' : 'active';
}

const refusals: Readonly<
  Record<'unknown' | 'orphaned' | Exclude<TokenState, 'active'>, { readonly message: string; readonly remedy: string }>
> = {
  unknown: {
    message: 'expected a token of this server, got one it does not know',
    remedy: 'Sign in again: tidegate login, or ask an administrator for a token.',
  },
  expired: { message: 'expected a token that is still good, got one that has expired', remedy: 'Ask an administrator for a new token.' },
  revoked: { message: 'expected a token that is still good, got one that was revoked', remedy: 'Ask an administrator for a new token.' },
  orphaned: {
    message: 'expected a token of a known principal, got one whose principal is gone',
    remedy: 'Ask an administrator to declare the Principal again.',
  },
};

/** Why a token is not believed, always as 401. */
export function tokenRefused(cause: keyof typeof refusals): Fault {
  return new Fault({ code: `token.${cause}`, status: 401, ...refusals[cause] });
}
