// The plain status page: a client of the public API. Everything shown is set as text, never as HTML.
const element = (id) => document.getElementById(id);
const tokenKey = 'tidegate-token';
const refreshMs = 2000;
const signs = {
  completed: ['✔', 'good'],
  'rolled-back': ['✘', 'bad'],
  failed: ['✘', 'bad'],
  cancelled: ['–', 'empty'],
  active: ['…', 'busy'],
  'rolling-back': ['…', 'busy'],
};

let token = sessionStorage.getItem(tokenKey);
let lastSeen;

async function get(path) {
  const response = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({ detail: `status ${response.status}` }));
  throw Object.assign(new Error(problem.detail), { status: response.status });
}

function fill(id, rows, empty) {
  const cells = rows.length > 0 ? rows : [[{ text: empty, className: 'empty', span: 5 }]];
  element(id).replaceChildren(...cells.map((row) => rowOf(row)));
}

function rowOf(row) {
  const tr = document.createElement('tr');
  for (const cell of row) {
    const td = document.createElement('td');
    const { text, className, span, share } = typeof cell === 'object' ? cell : { text: cell };
    if (share !== undefined) {
      const bar = document.createElement('progress');
      bar.max = 100;
      bar.value = share;
      bar.setAttribute('aria-hidden', 'true');
      td.append(bar);
    }
    td.append(text ?? '–');
    if (className) td.className = className;
    if (span) td.colSpan = span;
    tr.append(td);
  }
  return tr;
}

function when(iso) {
  if (!iso) return '–';
  return { text: new Date(iso).toLocaleString(), title: iso };
}

async function show() {
  const [status, releases, approvals] = await Promise.all([
    get('/api/v1/status'),
    get('/api/v1/releases?limit=10'),
    get('/api/v1/approvals'),
  ]);
  const details = await Promise.all(releases.items.map((r) => get(`/api/v1/releases/${encodeURIComponent(r.id)}`)));
  fill(
    'lanes',
    status.lanes.map((l) => [
      l.application,
      l.environment,
      l.version,
      when(l.since),
      l.changing ? { text: l.changing, className: 'busy' } : '–',
    ]),
    'Nothing is deployed yet.',
  );
  fill('releases', details.map(releaseRow), 'No release yet: push a signed tag.');
  fill(
    'approvals',
    approvals.items.map((a) => [a.release, a.stage, Object.keys(a.roles).join(', '), when(a.openedAt)]),
    'Nothing waits for anybody.',
  );
  lastSeen = Date.now();
}

function releaseRow(release) {
  const [sign, className] = signs[release.state] ?? ['?', ''];
  const last = release.deployments.findLast((deployment) => deployment.runsRelease === release.id);
  const weight = release.state === 'rolled-back' ? 0 : last?.weight;
  const share = last ? { text: `${weight} % ${last.environment}`, share: weight } : '–';
  return [release.id, { text: `${sign} ${release.state}`, className }, share, release.standing.sentence];
}

function signedIn(yes) {
  element('sign-in').hidden = yes;
  element('status').hidden = !yes;
}

function tellAge() {
  if (lastSeen === undefined) return;
  const seconds = Math.round((Date.now() - lastSeen) / 1000);
  element('age').textContent = seconds < 5 ? 'Live.' : `The server has not answered for ${seconds} s; this is what it said then.`;
}

async function refresh() {
  if (!token) return signedIn(false);
  try {
    await show();
    signedIn(true);
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      element('refusal').textContent = error.message;
      signOut();
    }
  }
  tellAge();
  setTimeout(() => void refresh(), refreshMs);
}

function signOut() {
  sessionStorage.removeItem(tokenKey);
  token = null;
  lastSeen = undefined;
  element('age').textContent = 'Not signed in.';
  signedIn(false);
}

element('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  token = element('token').value.trim();
  sessionStorage.setItem(tokenKey, token);
  element('token').value = '';
  element('refusal').textContent = '';
  void refresh();
});
element('sign-out').addEventListener('click', signOut);
void refresh();
