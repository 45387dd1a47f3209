import { isAbsolute } from 'node:path';
import { Fault } from '../../platform/fault.ts';

const url = /^(https|ssh|file):\/\/[^\s\0]+$/;
/** `git@host:path`, as every git host prints it. */
const scpLike = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,253}:[A-Za-z0-9._~/-]{1,1024}$/;

/**
 * The address as git may get it: an absolute path, `https://`, `ssh://`, `file://` or `user@host:path`. Everything else
 * (helpers such as `ext::`, options, credentials, plain http) is Fault `source.invalid-address`.
 */
export function checkRepositoryAddress(address: string): string {
  const problem = problemOf(address);
  if (problem === undefined) return address;
  throw new Fault({
    code: 'source.invalid-address',
    status: 422,
    message: `expected an absolute path, https://, ssh://, file:// or user@host:path as the repository, got ${problem}`,
    remedy: 'Correct spec.repository of the Application.',
  });
}

function problemOf(address: string): string | undefined {
  // eslint-disable-next-line no-control-regex -- no honest address has one
  if (address.length > 2048 || /[\u0000-\u001f\u007f]/.test(address)) return 'control characters or more than 2048 characters';
  if (isAbsolute(address)) return undefined;
  if (scpLike.test(address)) return undefined;
  if (!url.test(address)) return JSON.stringify(address.slice(0, 100).replace(/\/\/[^/@]*@/, '//…@'));
  const parsed = URL.parse(address);
  if (parsed === null) return 'an address that cannot be read';
  if (parsed.password !== '') return 'an address with a password in it';
  if (parsed.protocol === 'https:' && parsed.username !== '') return 'an https address with a user or token in it';
  if (parsed.protocol === 'file:' && parsed.host !== '') return 'a file address with a host';
  if (parsed.protocol !== 'file:' && (parsed.hostname === '' || parsed.hostname.startsWith('-'))) return 'an address without a host';
  if (parsed.username.startsWith('-')) return 'a user that looks like an option';
  if (parsed.search !== '' || parsed.hash !== '') return 'an address with a query or fragment';
  return undefined;
}

/** git-check-ref-format(1) for one name below refs/heads or refs/tags, and no leading dash. */
export function isReferenceName(name: string): boolean {
  // eslint-disable-next-line no-control-regex -- forbidden in references
  if (name === '' || name.length > 255 || /[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false;
  if (name.startsWith('-') || name.endsWith('/') || name.endsWith('.') || name.includes('..') || name.includes('@{') || name === '@')
    return false;
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}

/** A full SHA-1 or SHA-256 object name. */
export function isObjectName(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
