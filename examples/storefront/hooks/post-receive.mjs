// post-receive hook of the repository: asks Tidegate for a release of every tag that was pushed, and tells the pusher what it
// said. Needs Node 20 or newer and nothing else. Settings stand beside it in tidegate.json:
//   { "url": "http://127.0.0.1:4400", "application": "storefront", "tokenFile": "/path/to/a/file/of/mode/0600" }
// The push itself is over when this runs: whatever happens here never undoes it, and pushing again is harmless.
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const attempts = 6;

const settings = JSON.parse(await readFile(new URL('tidegate.json', import.meta.url), 'utf8'));
const tags = await pushedTags();
if (tags.length > 0) {
  try {
    const token = await readToken(settings.tokenFile);
    for (const tag of tags) await announce(tag, token);
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}

/** git writes `OLD NEW REFERENCE` lines; a NEW of zeros is a deletion. */
async function pushedTags() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  return lines.flatMap((line) => {
    const [, object = '', reference = ''] = line.split(' ');
    return reference.startsWith('refs/tags/') && !/^0+$/.test(object) ? [{ name: reference.slice('refs/tags/'.length), object }] : [];
  });
}

async function readToken(file) {
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0)
    throw new Error(`expected ${file} to be readable by its owner only (mode 0600), got ${(mode & 0o777).toString(8)}`);
  return (await readFile(file, 'utf8')).trim();
}

/** One key per tag object: a repeat gets the first answer, a moved tag is another question. */
async function announce(tag, token) {
  const address = new URL('/api/v1/releases', settings.url);
  const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(address.hostname);
  if (address.protocol !== 'https:' && !isLocal) throw new Error(`expected https for ${address.host}: the token would travel in the clear`);
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(address, tag, token);
    const again = answer.status === undefined || answer.status === 429 || answer.status >= 500;
    if (!again || attempt === attempts) {
      tell(tag, answer);
      return;
    }
    say(`${tag.name}: ${answer.status ?? answer.problem}, trying again`);
    await pause(Math.min(8_000, 500 * 2 ** (attempt - 1)));
  }
}

async function ask(address, tag, token) {
  try {
    const response = await fetch(address, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(60_000),
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json',
        'idempotency-key': `tag-${tag.object}`,
      },
      body: JSON.stringify({ application: settings.application, tag: tag.name }),
    });
    const text = await response.text();
    return { status: response.status, body: parse(text) };
  } catch (error) {
    return { status: undefined, problem: error.cause?.code ?? error.message };
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function tell(tag, { status, body, problem }) {
  if (status === undefined) {
    process.exitCode = 1;
    say(
      `${tag.name}: Tidegate does not answer (${problem}). The tag is pushed; ask for the release later: tidegate release create --application ${settings.application} --tag ${tag.name}`,
    );
    return;
  }
  if (status < 300) {
    say(`${tag.name}: release ${body.id ?? ''} is on its way. Follow it: tidegate watch ${body.id ?? ''}`);
    return;
  }
  process.exitCode = 1;
  say(`${tag.name}: refused, ${body.detail ?? body.title ?? status} (${body.code ?? status})`);
  for (const fault of Array.isArray(body.faults) ? body.faults : []) say(`  ${fault.detail}`);
  if (body.remedy) say(`  ${body.remedy}`);
}

/** Nothing from afar may steer the pusher's terminal. */
function say(text) {
  // eslint-disable-next-line no-control-regex -- that is what must go
  console.log(`tidegate: ${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 2_000)}`);
}
