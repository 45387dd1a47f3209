/**
 * `npm start`: the whole platform on one machine, kept running until SIGINT or SIGTERM. Flags: `--workers N`;
 * `--stop-all` ends router, host and applications too when it is stopped; `--stop` ends everything of this home and exits.
 */
import { access } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import pc from 'picocolors';
import { Fault } from './platform/fault.ts';
import { runProcess, type StartedProcess } from './platform/processes/main.ts';
import { stopEverything } from './platform/processes/stop-everything.ts';
import type { ProcessEvent } from './platform/processes/supervised-process.ts';
import { parseSettings, type Settings } from './platform/settings.ts';
import { type Platform, startPlatform } from './start-platform.ts';

interface Flags {
  readonly workers: number;
  readonly stopAll: boolean;
  readonly stop: boolean;
}

await runProcess('platform', async () => {
  const flags = parseFlags(process.argv.slice(2));
  const settings = parseSettings(process.env, process.cwd());
  return flags.stop ? stopAndExit(settings) : start(settings, flags);
});

async function start(settings: Settings, { workers, stopAll }: Flags): Promise<StartedProcess> {
  say(`Starting Tidegate in ${settings.home} …`);
  const isFirstStart = await access(settings.paths.adminToken).then(
    () => false,
    () => true,
  );
  const { home, port, host, databaseUrl, databasePort } = settings;
  const platform = await startPlatform({
    home,
    port,
    host,
    workers,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(databasePort === undefined ? {} : { databasePort }),
    onEvent: report,
  });
  greet(platform, isFirstStart, stopAll);
  // Stopped from outside (`npm start -- --stop`): there is nothing left to keep.
  void platform.stopped.then(() => setImmediate(() => process.exit(0)));
  return {
    ready: { url: platform.url, home },
    stop: async () => {
      say('Stopping worker, server and database …');
      await platform.stop({ all: stopAll });
      say(
        stopAll
          ? 'Everything is stopped.'
          : 'Stopped. Router, host and applications run on: `npm start` adopts them, `npm start -- --stop` ends them.',
      );
    },
  };
}

async function stopAndExit({ home }: Settings): Promise<never> {
  const ended = await stopEverything(home);
  say(ended.length === 0 ? `Nothing was running in ${home}.` : `Stopped: ${ended.join(', ')}.`);
  process.exit(0);
}

function greet({ url, adminToken }: Platform, isFirstStart: boolean, stopAll: boolean): void {
  say(`${pc.bold('Tidegate is up:')} ${pc.cyan(url)}`);
  if (isFirstStart && adminToken !== undefined) say(`Administrator token, shown this once: ${pc.yellow(adminToken)}`);
  say(pc.dim(`Ctrl-C stops ${stopAll ? 'everything' : 'server, worker and database; router, host and applications run on'}.`));
}

/** What a person needs to see while it runs: what ended and what came back. */
function report({ name, event, pid, detail }: ProcessEvent): void {
  const number = pid === undefined ? '' : ` (process ${pid})`;
  if (event === 'ended') say(pc.red(`${name}${number} ended: ${detail ?? 'no reason given'}; starting it again`));
  else if (event !== 'stopped') say(pc.dim(`${name}${number} ${event}`));
}

function parseFlags(args: readonly string[]): Flags {
  try {
    const options = { workers: { type: 'string' }, 'stop-all': { type: 'boolean' }, stop: { type: 'boolean' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const workers = Number(values.workers ?? 1);
    if (!Number.isInteger(workers) || workers < 1 || workers > 64)
      throw new Error(`expected --workers from 1 to 64, got ${values.workers}`);
    return { workers, stopAll: values['stop-all'] ?? false, stop: values.stop ?? false };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Fault({ code: 'start.bad-flag', status: 422, message, remedy: 'npm start -- [--workers N] [--stop-all] [--stop]', cause });
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
