/**
 * A release: one version of one application, made from one signed tag. It never changes; what is decided about it and
 * done with it lives in its candidates, approvals and deployments.
 */
export interface Release {
  /** `application@version`. */
  readonly id: string;
  readonly application: string;
  readonly version: string;
  readonly tag: string;
  /** Hash of the tag object: a moved tag has another one. */
  readonly tagObject: string;
  readonly commit: string;
  /** Principal whose key signed the tag. */
  readonly signer: string;
  /** Everybody who wrote a commit since the release before, the tag's signer and who asked for the release: none of them may approve it. */
  readonly authors: readonly Author[];
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface Author {
  /** Principal name where the e-mail belongs to one. */
  readonly principal?: string;
  readonly email?: string;
  readonly part: 'commit' | 'tag' | 'request';
}

export function releaseId(application: string, version: string): string {
  return `${application}@${version}`;
}

/** Whether this person had a part in making the release, as principal or by any of their e-mail addresses. */
export function authorshipOf(
  release: Pick<Release, 'authors'>,
  person: { readonly name: string; readonly emails: readonly string[] },
): Author | undefined {
  const emails = new Set(person.emails.map((e) => e.toLowerCase()));
  return release.authors.find((a) => a.principal === person.name || (a.email !== undefined && emails.has(a.email.toLowerCase())));
}
