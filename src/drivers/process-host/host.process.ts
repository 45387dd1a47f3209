/**
 * The process host as a process of its own. Environment: TIDEGATE_HOME (where its socket, state and applications are),
 * TIDEGATE_HOST_PORTS (`20000-29999`, where applications listen).
 */
import { realpath, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseInput } from '../../platform/control-socket/parse-input.ts';
import { serveControlSocket, type ControlHandlers } from '../../platform/control-socket/server.ts';
import { inputs } from './instance.ts';
import { defaultPorts } from './port-range.ts';
import { ProcessHost } from './process-host.ts';
import type { StartedProcess } from '../../platform/processes/main.ts';
import { runProcess } from '../../platform/processes/main.ts';

const suspendGraceMs = 10_000;

function log(event: string, detail: Readonly<Record<string, unknown>> = {}): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), process: 'host', event, ...detail })}\n`);
}

function logTrouble(error: unknown): void {
  log('trouble', { message: error instanceof Error ? error.message : String(error) });
}

function portsOf(text: string | undefined): { readonly from: number; readonly to: number } {
  if (text === undefined) return defaultPorts;
  const match = /^(\d{4,5})-(\d{4,5})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || from > to || to > 65_535) throw new Error(`expected TIDEGATE_HOST_PORTS as FROM-TO, got ${text}`);
  return { from, to };
}

function handlersOf(host: ProcessHost): ControlHandlers {
  return {
    ensureInstance: async (input) => {
      const { spec, fence, archive } = parseInput('host', inputs.ensureInstance, input);
      return host.ensureInstance(spec, fence, archive);
    },
    findInstance: async (input) => host.findInstance(parseInput('host', inputs.findInstance, input).name),
    listInstances: () => Promise.resolve(host.listInstances()),
    stopInstance: async (input) => {
      const { name, fence, graceMs } = parseInput('host', inputs.stopInstance, input);
      return host.stopInstance(name, fence, graceMs);
    },
    // For `npm start -- --stop`, which ends the whole machine's work; SIGTERM follows.
    suspend: () => host.suspend(suspendGraceMs),
    readLog: async (input) => {
      const { name, lines } = parseInput('host', inputs.readLog, input);
      return host.readLog(name, lines);
    },
  };
}

async function start(): Promise<StartedProcess> {
  const home = resolve(process.env.TIDEGATE_HOME ?? '.tidegate');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const socket = `${home}/run/host.sock`;
  // The real path, as the kernel tells it of an orphan's working directory.
  const host = new ProcessHost({
    folder: `${await realpath(home)}/host`,
    ports: portsOf(process.env.TIDEGATE_HOST_PORTS),
    onTrouble: logTrouble,
  });
  const restored = Promise.withResolvers<void>();
  const handlers = Object.entries(handlersOf(host)).map(([name, handler]) => [
    name,
    (input: unknown) => restored.promise.then(() => handler(input)),
  ]);
  // The socket is the lock of the home: two hosts would start every application twice.
  const control = await serveControlSocket({
    path: socket,
    processName: 'host',
    handlers: Object.fromEntries(handlers) as ControlHandlers,
    onDefect: logTrouble,
    maxBodyBytes: 4 * 1_048_576,
  });
  await host.restore();
  restored.resolve();
  const instances = host.listInstances().filter((instance) => instance.state !== 'stopped');
  return {
    ready: { socket, instances: instances.length },
    stop: async () => {
      log('stopping; applications run on');
      await control.close();
      await host.stop();
    },
  };
}

// What nobody awaited is a defect to be told, not a reason to stop serving users.
process.on('unhandledRejection', logTrouble);
await runProcess('host', start);
