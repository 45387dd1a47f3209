import { z } from 'zod';

const EnvironmentConfiguration = z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,127}$/, 'expected an UPPER_CASE key'), z.string().max(8192));

/** Where applications run and users meet them. */
export const Environment = z.strictObject({
  tier: z.enum(['development', 'testing', 'staging', 'production']),
  applications: z.record(
    z.string(),
    z.strictObject({
      port: z.number().int().min(1).max(65_535).describe('Where users come in, on the router'),
      configuration: EnvironmentConfiguration.default({}).describe('Overrides the application’s own values'),
    }),
  ),
});
export type Environment = z.infer<typeof Environment>;

/** One application in one environment: the unit that one release at a time may change. */
export function laneOf(application: string, environment: string): string {
  return `${application}/${environment}`;
}

/** Defaults of the application, overridden by the environment's own values. */
export function effectiveConfiguration(
  defaults: Readonly<Record<string, string>>,
  environment: Environment,
  application: string,
): Readonly<Record<string, string>> {
  return { ...defaults, ...environment.applications[application]?.configuration };
}
