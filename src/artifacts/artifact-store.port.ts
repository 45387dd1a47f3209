import type { Digest } from '../platform/digest.ts';

/** Content-addressed and immutable: what is there under a digest never changes. */
export interface ArtifactStore {
  /** Idempotent: stores the file's bytes under their own digest; the same bytes twice are one artifact. */
  put(file: string): Promise<{ readonly digest: Digest; readonly bytes: number }>;
  has(digest: Digest): Promise<boolean>;
  /** A local path to the verified bytes. Fault `artifact.missing` (404) or `artifact.corrupt` (500) otherwise. */
  pathOf(digest: Digest): Promise<string>;
}
