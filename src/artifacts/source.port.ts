/** A git repository, read only. Every method is idempotent and leaves nothing behind. */
export interface TagInfo {
  readonly name: string;
  /** The tag object's own hash: a moved tag has another one. */
  readonly tagObject: string;
  readonly commit: string;
  /** Principal of the allowed signer whose key signed the tag. */
  readonly signer: string;
  readonly message: string;
}

export interface CommitAuthor {
  readonly name: string;
  readonly email: string;
}

export interface AllowedSigner {
  readonly principal: string;
  /** An OpenSSH public key line, `ssh-ed25519 AAAA…`. */
  readonly key: string;
}

export interface SourceRepository {
  /**
   * Verifies a tag and says what it names. Faults (422): `tag.unknown`, `tag.lightweight`, `tag.unsigned`,
   * `tag.untrusted-signer`, `tag.unreachable` (its commit is on none of the protected branches), `tag.misnamed` (signed
   * under another name), `tag.not-a-commit`, `tag.malformed`. A repository that does not answer is retryable (5xx).
   */
  verifyTag(request: {
    readonly repository: string;
    readonly tag: string;
    readonly allowedSigners: readonly AllowedSigner[];
    readonly protectedBranches: readonly string[];
  }): Promise<TagInfo>;
  /** Authors and co-authors (trailers) of the commits in `since..commit`; of `commit` and all its ancestors without `since`. */
  listAuthors(request: { readonly repository: string; readonly commit: string; readonly since?: string }): Promise<readonly CommitAuthor[]>;
  /** A clean tree of exactly this commit in `directory` (created, must be empty). */
  checkout(request: { readonly repository: string; readonly commit: string; readonly directory: string }): Promise<void>;
  /** The file's text at this commit, or undefined. */
  readFile(request: { readonly repository: string; readonly commit: string; readonly path: string }): Promise<string | undefined>;
}
