/**
 * Who a request belongs to. The header wins (an edge that knows the user sets it), then the cookie; a user with neither
 * gets a cookie. Neither is proof of identity: they only keep a user on one arm and count a user once.
 */
export interface IdentityNames {
  /** Lower case. */
  readonly header: string;
  readonly cookie: string;
}

export const defaultIdentity: IdentityNames = { header: 'x-user-id', cookie: 'tg_user' };

/** A longer identity is cut: it is held in memory for a minute after a failure. */
const longestIdentity = 200;
const cookieValue = /^[\w-]{8,64}$/;

export function userOf(header: string | undefined, cookies: string | undefined, cookieName: string): string | undefined {
  if (header !== undefined && header !== '') return header.length > longestIdentity ? header.slice(0, longestIdentity) : header;
  return cookies === undefined ? undefined : userOfCookies(cookies, cookieName);
}

function userOfCookies(cookies: string, name: string): string | undefined {
  let at = cookies.indexOf(name);
  while (at !== -1) {
    const isStart = at === 0 || cookies[at - 1] === ' ' || cookies[at - 1] === ';';
    if (isStart && cookies[at + name.length] === '=') {
      const from = at + name.length + 1;
      const end = cookies.indexOf(';', from);
      const value = (end === -1 ? cookies.slice(from) : cookies.slice(from, end)).trim();
      return cookieValue.test(value) ? value : undefined;
    }
    at = cookies.indexOf(name, at + name.length);
  }
  return undefined;
}

/** Thirty days: longer than any rollout, so a person meets one arm throughout. */
export function userCookie(name: string, user: string): string {
  return `${name}=${user}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax`;
}
