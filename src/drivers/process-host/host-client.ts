import type { DeploymentTarget, Instance } from '../../environments/target.port.ts';
import { connectControlSocket } from '../../platform/control-socket/client.ts';

export interface HostConnection extends DeploymentTarget {
  /** Lets go of the socket. The applications run on. */
  close(): void;
}

export interface HostClientOptions {
  /** A local path to the bytes of an artifact (`ArtifactStore.pathOf`); the host verifies the digest itself. */
  readonly archivePathOf: (digest: string) => Promise<string>;
  /** For one call; starting (verify and unpack) and stopping (grace) have more on top. @default 10,000 */
  readonly timeoutMs?: number;
}

/** Verifying and unpacking two gigabytes on a slow disk. */
const prepareMs = 120_000;

type WireInstance = Omit<Instance, 'startedAt'> & { readonly startedAt: string };

/**
 * The process host behind `TIDEGATE_HOME/run/host.sock`. A host that is away or slow is a retryable Fault
 * (`host.unreachable` 503, `host.timeout` 504); its applications run on meanwhile.
 */
export function connectHost(socketPath: string, options: HostClientOptions): HostConnection {
  const { archivePathOf, timeoutMs = 10_000 } = options;
  const control = connectControlSocket({ path: socketPath, processName: 'host', timeoutMs });
  return {
    async ensureInstance(spec, fence) {
      const archive = await archivePathOf(spec.artifactDigest);
      return instanceOf(await control.call('ensureInstance', { spec, fence, archive }, timeoutMs + prepareMs));
    },
    async findInstance(name) {
      const found = await control.call('findInstance', { name });
      return found === null ? undefined : instanceOf(found);
    },
    listInstances: async () => ((await control.call('listInstances', {})) as readonly unknown[]).map(instanceOf),
    stopInstance: async (name, fence, graceMs) => void (await control.call('stopInstance', { name, fence, graceMs }, timeoutMs + graceMs)),
    readLog: async (name, lines) => (await control.call('readLog', { name, lines })) as readonly string[],
    close: () => control.close(),
  };
}

function instanceOf(wire: unknown): Instance {
  const instance = wire as WireInstance;
  return { ...instance, startedAt: new Date(instance.startedAt) };
}
