import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Digest } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';
import type { Artifact } from './artifact.ts';

type ArtifactRow = {
  readonly digest: string;
  readonly bytes: number;
  readonly build: string;
  readonly created_at: Date;
};

type Tables = { artifact: ArtifactRow };

/** Idempotent: the first build that made the bytes stays named. */
export async function saveArtifact(tx: Transaction, artifact: Artifact): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('artifact')
    .values({ digest: artifact.digest, bytes: artifact.bytes, build: artifact.build, created_at: artifact.createdAt })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute();
  const known = await findArtifact(tx, artifact.digest);
  if (known?.bytes === artifact.bytes) return;
  throw new Fault({
    code: 'artifact.immutable',
    status: 409,
    message: `expected ${artifact.digest} to have ${known?.bytes} bytes as before, got ${artifact.bytes}`,
    extra: { digest: artifact.digest, expected: known?.bytes, got: artifact.bytes },
  });
}

export async function findArtifact(reader: Reader, digest: Digest): Promise<Artifact | undefined> {
  const row = await reader.withTables<Tables>().selectFrom('artifact').selectAll().where('digest', '=', digest).executeTakeFirst();
  return row && { digest: row.digest as Digest, bytes: row.bytes, build: row.build, createdAt: row.created_at };
}
