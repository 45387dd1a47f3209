import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Refused } from './cart.mjs';
import { createLog } from './log.mjs';
import { createMetrics } from './metrics.mjs';
import { createShop } from './shop.mjs';
import { WarehouseUnavailable } from './warehouse.mjs';

const mostBodyBytes = 16 * 1024;
const { version, commit } = JSON.parse(readFileSync(new URL('version.json', import.meta.url), 'utf8'));
const log = createLog({ level: process.env.LOG_LEVEL, version });
const metrics = createMetrics(version);
const routes = Object.entries(createShop({ currency: process.env.CURRENCY ?? 'EUR', banner: process.env.BANNER ?? '' })).map(
  ([key, handle]) => {
    const [method, path] = key.split(' ');
    return { method, path, handle, pattern: new RegExp(`^${path.replace(':id', '(?<id>[a-z0-9-]{1,64})')}$`) };
  },
);
let inFlight = 0;
let draining = false;

const server = createServer((request, response) => void serve(request, response));

async function serve(request, response) {
  const started = performance.now();
  inFlight += 1;
  let route = 'other';
  try {
    const [path] = request.url.split('?', 1);
    if (path === '/healthz' || path === '/metrics') {
      route = path;
      operate(path, response);
      return;
    }
    const here = routes.filter((candidate) => candidate.pattern.test(path));
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const found = here.find((candidate) => candidate.method === method);
    route = here[0]?.path ?? 'other';
    if (found === undefined)
      throw new Refused(here.length === 0 ? 404 : 405, here.length === 0 ? 'expected a page of this shop' : `expected ${here[0].method}`);
    const body = method === 'POST' ? await readJson(request) : undefined;
    answer(response, 200, await found.handle({ ...found.pattern.exec(path).groups, body, cookie: request.headers.cookie }));
  } catch (error) {
    fail(response, error, request.headers['x-request-id']);
  } finally {
    inFlight -= 1;
    const took = performance.now() - started;
    metrics.count(route, response.statusCode, took / 1000);
    log.debug({ message: 'request', method: request.method, route, status: response.statusCode, milliseconds: Math.round(took) });
  }
}

function operate(path, response) {
  if (path === '/metrics') answer(response, 200, { text: metrics.text(inFlight) });
  else answer(response, draining ? 503 : 200, { json: { status: draining ? 'draining' : 'ok', version, commit } });
}

function answer(response, status, { json, html, text, cookie }) {
  const body = html ?? text ?? `${JSON.stringify(json)}\n`;
  const type = html ? 'text/html' : text ? 'text/plain' : 'application/json';
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-storefront-version': version,
    ...(cookie === undefined ? {} : { 'set-cookie': cookie }),
    ...(draining ? { connection: 'close' } : {}),
  });
  response.end(body);
}

function fail(response, error, requestId) {
  const status = error instanceof Refused ? error.status : error instanceof WarehouseUnavailable ? 503 : 500;
  if (status >= 500)
    log.warn({ message: error.message, status, ...(requestId === undefined ? {} : { requestId: String(requestId).slice(0, 100) }) });
  // The rest of a body that nobody will read must not be taken for the next request.
  if (status === 413) response.setHeader('connection', 'close');
  answer(response, status, { json: { error: status === 500 ? 'something went wrong' : error.message } });
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > mostBodyBytes) throw new Refused(413, `expected at most ${mostBodyBytes} bytes`);
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refused(400, 'expected JSON');
  }
}

/** Finishes what is under way, takes nothing new, and goes. */
function stop(signal) {
  if (draining) return;
  draining = true;
  log.info({ message: `stopping after ${signal}`, inFlight });
  server.close(() => log.info({ message: 'stopped' }));
  server.closeIdleConnections();
  setTimeout(() => {
    log.error({ message: 'still busy after 10 s: cutting off', inFlight });
    server.closeAllConnections();
  }, 10_000).unref();
}

const port = Number(process.env.PORT);
if (!Number.isInteger(port) || port < 0 || port > 65_535 || process.env.PORT === undefined) {
  log.error({ message: 'expected PORT to be a port number' });
  process.exit(2);
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(signal));
server.on('error', (error) => {
  log.error({ message: error.message });
  process.exit(1);
});
server.headersTimeout = 5_000;
server.requestTimeout = 15_000;
// Longer than a proxy in front keeps its idle connections, so that it is never we who hang up on a request under way.
server.keepAliveTimeout = 75_000;
server.listen(port, '127.0.0.1', () => log.info({ message: `listening on ${server.address().port}`, commit }));
