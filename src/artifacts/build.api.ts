import { z } from 'zod';
import type { Database } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Route } from '../platform/http/index.ts';
import { read } from '../platform/http/index.ts';
import { findArtifact } from './artifact.store.ts';
import { findBuild, findBuildLog } from './build.store.ts';

const BuildView = z.object({
  id: z.string(),
  release: z.string(),
  attempt: z.number(),
  tag: z.string(),
  commit: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed']),
  artifact: z.object({ digest: z.string(), bytes: z.number() }).nullable(),
  reason: z.object({ code: z.string(), sentence: z.string(), remedy: z.string().optional() }).nullable(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  log: z.string().describe('The last lines; empty until the build has ended'),
});
type BuildView = z.infer<typeof BuildView>;

export function buildRoutes({ db }: { readonly db: Database }): readonly Route[] {
  return [
    read({
      path: '/api/v1/releases/:release/build',
      operation: 'readBuild',
      access: 'build.read',
      summary: 'The newest build of a release, with the end of its log',
      params: z.strictObject({ release: z.string().min(1).max(200) }),
      result: BuildView,
      handle: async ({ params: { release } }) => ({ body: await viewOfBuild(db, release) }),
    }),
  ];
}

async function viewOfBuild(db: Database, release: string): Promise<BuildView> {
  const build = await findBuild(db, release);
  if (!build)
    throw new Fault({
      code: 'build.unknown',
      status: 404,
      message: `expected a build of ${release}, got none`,
      remedy: 'It starts within seconds of the release; look again.',
    });
  const artifact = build.artifactDigest && (await findArtifact(db, build.artifactDigest));
  return {
    id: build.id,
    release: build.release,
    attempt: build.attempt,
    tag: build.tag,
    commit: build.commit,
    state: build.state,
    artifact: artifact ? { digest: artifact.digest, bytes: artifact.bytes } : null,
    reason: build.reason
      ? { code: build.reason.code, sentence: build.reason.sentence, ...(build.reason.remedy ? { remedy: build.reason.remedy } : {}) }
      : null,
    startedAt: build.startedAt?.toISOString() ?? null,
    finishedAt: build.finishedAt?.toISOString() ?? null,
    log: (await findBuildLog(db, release)) ?? '',
  };
}
