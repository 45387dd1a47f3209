import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { startTraffic } from '../demo/load.ts';
import { startRouterProcess } from '../src/drivers/embedded-router/router-process.contract.ts';
import { freePort } from '../src/environments/upstream.contract.ts';

const ratePerSecond = 800;
const warmUpMs = 4_000;
const measureMs = 10_000;
const shifts = 200;

/** The least a Node application can do: what a request costs without any router in front of it. */
const bareUpstream = `
const body = Buffer.from(JSON.stringify({ items: Array.from({ length: 10 }, (_, id) => ({ id, name: 'thing ' + id })) }));
const headers = { 'content-type': 'application/json', 'content-length': body.length };
require('node:http').createServer((request, response) => { response.writeHead(200, headers); response.end(body); })
  .listen(0, '127.0.0.1', function () { process.send({ port: this.address().port }); });
process.on('message', () => process.send(process.cpuUsage()));
process.on('disconnect', () => process.exit());
`;

/**
 * CPU time per request of the router and of a bare Node upstream, taken from the two processes over the same requests
 * (open loop, 800 a second, 1,000 users, two arms), and the time from asking for new weights until they are in force.
 */
export async function routerBench(report: (name: string, value: number) => void): Promise<void> {
  const [stable, canary] = [await startUpstream(), await startUpstream()];
  const routed = await startRouterProcess();
  const lane = 'bench/production';
  const port = await freePort();
  const arm = (deployment: string, upstream: Upstream, weight: number) => ({
    deployment,
    version: deployment,
    upstream: `http://127.0.0.1:${upstream.port}`,
    weight,
  });
  const split = (share: number, token: number) =>
    routed.router.setRoute({ lane, port, arms: [arm('stable', stable, 100 - share), arm('canary', canary, share)] }, { lane, token });
  await split(5, 1);
  const traffic = startTraffic({ url: `http://127.0.0.1:${port}`, ratePerSecond, users: 1_000, paths: ['/items', '/items/7', '/cart'] });
  try {
    const cpuOf = async () => {
      const [router, one, two] = await Promise.all([routed.router.usage(), stable.cpu(), canary.cpu()]);
      return { router: router.user + router.system, upstream: one + two, requests: traffic.snapshot().answered };
    };
    await delay(warmUpMs);
    const before = await cpuOf();
    await delay(measureMs);
    const after = await cpuOf();
    const requests = after.requests - before.requests;
    report('router.cpu_us_per_request', (after.router - before.router) / requests);
    report('upstream.cpu_us_per_request', (after.upstream - before.upstream) / requests);
    report('router.shift_ms_p99', await shiftP99((share, i) => split(share, i + 2)));
    const summary = await traffic.stop();
    const failed = summary.httpErrors + summary.connectionErrorCount;
    if (failed > 0)
      throw new Error(`expected no failed request in ${summary.sent}, got ${failed}: ${JSON.stringify(summary.failures.slice(0, 3))}`);
  } finally {
    await traffic.stop();
    await routed.close();
    stable.child.disconnect();
    canary.child.disconnect();
  }
}

async function shiftP99(shift: (share: number, index: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < shifts; i++) {
    const from = performance.now();
    await shift(i % 2 === 0 ? 25 : 50, i);
    times.push(performance.now() - from);
  }
  return times.toSorted((a, b) => a - b)[Math.ceil(shifts * 0.99) - 1] ?? Number.NaN;
}

interface Upstream {
  readonly child: ChildProcess;
  readonly port: number;
  cpu(): Promise<number>;
}

async function startUpstream(): Promise<Upstream> {
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', bareUpstream], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    child,
    port,
    async cpu() {
      child.send('cpu');
      const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
      return usage.user + usage.system;
    },
  };
}
