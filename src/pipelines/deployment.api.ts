import { z } from 'zod';
import type { Database } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Route } from '../platform/http/index.ts';
import { decodeCursor, pageFrom, pageOf, pageQuery, read } from '../platform/http/index.ts';
import { findAnalysis, listJudgedBatches } from '../validation/index.ts';
import { findDeployment } from './deployment.store.ts';
import { DeploymentView, viewOfDeployment } from './release-view.ts';

const params = z.strictObject({ deployment: z.string().min(1).max(200) });

/** The judge's settings and knowledge are shown whole, as plain JSON: whoever feeds the batches to the judge gets the same verdict. */
const AnalysisView = z.object({
  deployment: z.string(),
  step: z.number(),
  settings: z.record(z.string(), z.unknown()),
  verdict: z.record(z.string(), z.unknown()),
  updatedAt: z.iso.datetime(),
});
const JudgedBatchView = z.object({
  number: z.number(),
  step: z.number(),
  batch: z.record(z.string(), z.unknown()),
  logE: z.number(),
  logEPass: z.number().nullable(),
  verdict: z.enum(['rollback', 'pass', 'continue', 'inconclusive']),
});

export function deploymentRoutes({ db }: { readonly db: Database }): readonly Route[] {
  return [
    read({
      path: '/api/v1/deployments/:deployment',
      operation: 'readDeployment',
      access: 'deployment.read',
      summary: 'One deployment',
      params,
      result: DeploymentView,
      handle: async ({ params: { deployment } }) => ({ body: viewOfDeployment(await deploymentOrRefuse(db, deployment)) }),
    }),
    read({
      path: '/api/v1/deployments/:deployment/analysis',
      operation: 'readAnalysis',
      access: 'deployment.read',
      summary: 'What the judge says about a canary',
      params,
      result: AnalysisView,
      handle: async ({ params: { deployment } }) => {
        await deploymentOrRefuse(db, deployment);
        const analysis = await findAnalysis(db, deployment);
        if (!analysis)
          throw new Fault({
            code: 'analysis.none',
            status: 404,
            message: `expected a canary that was judged; ${deployment} was not`,
            remedy: 'Only canary steps below 100 % are judged.',
          });
        return {
          body: {
            deployment,
            step: analysis.step,
            settings: { ...analysis.settings },
            verdict: { ...analysis.verdict },
            updatedAt: analysis.updatedAt.toISOString(),
          },
        };
      },
    }),
    read({
      path: '/api/v1/deployments/:deployment/analysis/batches',
      operation: 'listJudgedBatches',
      access: 'deployment.read',
      summary: 'The judge’s inputs in order, with the evidence after each',
      params,
      query: z.strictObject(pageQuery),
      result: pageOf(JudgedBatchView),
      handle: async ({ params: { deployment }, query }) => {
        const after = query.cursor === undefined ? 0 : decodeCursor(query.cursor, z.tuple([z.number().int()]))[0];
        const rows = await listJudgedBatches(db, deployment, { after, limit: query.limit + 1 });
        const page = pageFrom(rows, query.limit, (r) => [r.number]);
        return { body: { ...page, items: page.items.map((r) => ({ ...r, batch: { ...r.batch } })) } };
      },
    }),
  ];
}

async function deploymentOrRefuse(db: Database, id: string) {
  const deployment = await findDeployment(db, id);
  if (deployment) return deployment;
  throw new Fault({
    code: 'deployment.unknown',
    status: 404,
    message: `expected a deployment named ${id}, found none`,
    remedy: 'List a release’s deployments: tidegate status RELEASE',
  });
}
