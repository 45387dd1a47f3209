const levels = ['debug', 'info', 'warn', 'error'];
/** Lines per second; what is more is counted and said once, so that a storm of errors cannot fill a disk. */
const mostPerSecond = 20;

/** One JSON object per line on standard output. Requests are logged at `debug`, failures at `warn`. */
export function createLog({ level = 'info', version }) {
  const least = Math.max(0, levels.indexOf(level));
  let second = 0;
  let written = 0;
  let leftOut = 0;
  function write(at, fields) {
    if (levels.indexOf(at) < least) return;
    const now = new Date();
    const current = Math.floor(now.getTime() / 1000);
    if (current !== second) {
      const missed = leftOut;
      second = current;
      written = 0;
      leftOut = 0;
      if (missed > 0) print(now, 'warn', { message: `left out ${missed} lines` });
    }
    written += 1;
    if (written > mostPerSecond) leftOut += 1;
    else print(now, at, fields);
  }
  function print(now, at, fields) {
    process.stdout.write(`${JSON.stringify({ time: now.toISOString(), level: at, version, ...fields })}\n`);
  }
  return Object.fromEntries(levels.map((at) => [at, (fields) => write(at, fields)]));
}
