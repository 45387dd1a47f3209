/** Runs the programs that `npm run check` and `npm test` consist of. */
import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export const root: string = join(import.meta.dirname, '..');

export interface Step {
  readonly name: string;
  /** A program of node_modules/.bin, or `node`, and its arguments. Started without a shell. */
  readonly command: readonly [string, ...string[]];
  /** Judges the output of one that exited 0; a text is what is wrong. */
  readonly judge?: (output: string) => string | undefined;
  /** Shows what it says while it runs, for those that take minutes. */
  readonly live?: boolean;
}

export interface Outcome {
  readonly name: string;
  readonly failed: boolean;
  readonly output: string;
}

const running = new Set<ChildProcess>();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    for (const child of running) child.kill(name);
    process.exitCode = 130;
  });
}

/** At most `width` at once, in order. Prints one line a step with its time, and the output of those that fail. */
export async function runSteps(steps: readonly Step[], width: number): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...steps];
  const lane = async (): Promise<void> => {
    for (let step = waiting.shift(); step; step = waiting.shift()) outcomes.push(await runStep(step));
  };
  await Promise.all(Array.from({ length: width }, lane));
  return outcomes;
}

async function runStep({ name, command, judge, live = false }: Step): Promise<Outcome> {
  const startedAt = performance.now();
  const { code, output } = await run(command, live);
  const problem = code === 0 ? judge?.(output) : `exit status ${code ?? 'none (killed)'}`;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6);
  console.log(`${problem === undefined ? 'ok    ' : 'FAILED'} ${seconds} s  ${name}${problem === undefined ? '' : `: ${problem}`}`);
  if (problem !== undefined && !live) console.log(stripVTControlCharacters(output).trim().replace(/^/gm, '    '));
  return { name, failed: problem !== undefined, output };
}

function run([program, ...args]: Step['command'], live: boolean): Promise<{ readonly code: number | null; readonly output: string }> {
  const bin = join(root, 'node_modules/.bin');
  const file = program === 'node' ? process.execPath : join(bin, program);
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1', FORCE_COLOR: undefined };
  const child = spawn(file, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (live) process.stdout.write(chunk);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
}
