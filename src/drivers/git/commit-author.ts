import type { CommitAuthor } from '../../artifacts/source.port.ts';

/** `git log -z` with this gives one record per commit: name, address, message. */
export const authorFormat = '--format=%an%n%ae%n%B';

const trailer = /^\s*co-authored-by:\s*(.*?)\s*<([^<>\n]+)>\s*$/gim;

/**
 * Authors and co-authors, each once (by address, case aside), in order of appearance. A co-author line counts anywhere in
 * the message, not only in git's trailer block: nobody may drop out of the authors by a line put below.
 */
export function parseAuthors(log: string): readonly CommitAuthor[] {
  const found = new Map<string, CommitAuthor>();
  const add = (name: string, email: string) => {
    const key = email.trim().toLowerCase();
    if (!found.has(key)) found.set(key, { name: name.trim(), email: email.trim() });
  };
  for (const commit of log.split('\0')) {
    if (commit === '') continue;
    const [name = '', email = '', ...message] = commit.split('\n');
    add(name, email);
    for (const [, coName = '', coEmail = ''] of message.join('\n').matchAll(trailer)) add(coName, coEmail);
  }
  return [...found.values()];
}
