import { z } from 'zod';

/** A command line as separate words: it is started without a shell. */
const commandLine = z.array(z.string().min(1).max(4096)).min(1).max(64);
const ConfigurationMap = z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,127}$/, 'expected an UPPER_CASE key'), z.string().max(8192));

/** What is released: where its source lives, who may tag it, how it is built and started. */
export const Application = z.strictObject({
  repository: z
    .string()
    .max(2048)
    .regex(
      /^(\/[^\0]*|file:\/\/\/[^\0]+|https:\/\/[^@/\0]+\/[^\0]*|ssh:\/\/[^:/\0]+[/:][^\0]*|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\0]+)$/,
      'expected an absolute path, or a file, https or ssh address without a password',
    )
    .describe('Absolute path or URL of the git repository'),
  tagPattern: z
    .string()
    .refine((p) => p.split('{version}').length === 2, 'expected {version} exactly once')
    .default('v{version}'),
  protectedBranches: z.array(z.string().min(1).max(255)).min(1).max(32).default(['main']),
  allowedSigners: z
    .array(
      z.strictObject({
        principal: z.string().min(1).max(255),
        key: z.string().regex(/^(ssh|sk-ssh|ecdsa)-\S+ \S+/, 'expected an OpenSSH public key line'),
      }),
    )
    .min(1)
    .max(500),
  build: z.strictObject({
    command: commandLine,
    output: z
      .string()
      .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).{1,255}$/, 'expected a folder inside the checkout')
      .default('dist'),
    timeoutSeconds: z.number().int().min(1).max(7200).default(600),
    maxMegabytes: z.number().min(0.001).max(10_240).default(200),
  }),
  run: z.strictObject({ command: commandLine }),
  configuration: ConfigurationMap.default({}).describe('Values for every environment; an environment may override them'),
});
export type Application = z.infer<typeof Application>;

/** `v{version}` and `v1.1.0` give `1.1.0`; undefined when the tag is not one of this application's. */
export function versionOfTag(application: Pick<Application, 'tagPattern'>, tag: string): string | undefined {
  const [before = '', after = ''] = application.tagPattern.split('{version}');
  if (!tag.startsWith(before) || !tag.endsWith(after) || tag.length <= before.length + after.length) return undefined;
  const version = tag.slice(before.length, tag.length - after.length);
  return /^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/.test(version) ? version : undefined;
}
