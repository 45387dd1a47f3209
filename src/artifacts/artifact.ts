import type { Digest } from '../platform/digest.ts';

/** Bytes under their own name. They never change and neither does this. */
export interface Artifact {
  readonly digest: Digest;
  readonly bytes: number;
  /** The first build that made them. */
  readonly build: string;
  readonly createdAt: Date;
}
