import { join } from 'node:path';
import { type Platform, type PlatformOptions, supervisePlatform } from './platform/processes/supervisor.ts';

export type { Platform } from './platform/processes/supervisor.ts';

/** Starts Tidegate on a home and keeps it running; see {@link supervisePlatform}. Demo, chaos and `npm start` share it. */
export function startPlatform(options: Omit<PlatformOptions, 'mains'>): Promise<Platform> {
  const at = (file: string): string => join(import.meta.dirname, file);
  return supervisePlatform({
    ...options,
    mains: {
      server: at('server.ts'),
      worker: at('worker.ts'),
      router: at('drivers/embedded-router/router.process.ts'),
      host: at('drivers/process-host/host.process.ts'),
    },
  });
}
