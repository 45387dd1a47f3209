// Who may know whom. Outward from the platform: planning, environments, artifacts know nobody; improvement knows most.
const knows = {
  planning: [],
  environments: [],
  artifacts: [],
  governance: ['planning', 'artifacts'],
  validation: ['planning', 'environments'],
  pipelines: ['planning', 'environments', 'artifacts', 'governance', 'validation'],
  improvement: ['planning', 'governance', 'validation', 'pipelines'],
};
const domains = Object.keys(knows).join('|');
const tests = '\\.(test|contract)\\.ts$';
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(knows).map(([domain, others]) => ({
      name: `${domain}-knows-only-${others.join('-') || 'itself'}`,
      severity: 'error',
      from: { path: `^src/${domain}/` },
      to: { path: `^src/(${domains})/`, pathNot: `^src/(${[domain, ...others].join('|')})/` },
    })),
    {
      name: 'enter-a-domain-by-its-index',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: `^src/(${domains})/(?!index\\.ts$)`, pathNot: ['^src/$1/', '\\.(port|contract)\\.ts$'] },
    },
    {
      name: 'a-domain-never-names-a-driver',
      severity: 'error',
      from: { path: `^src/(${domains}|platform)/`, pathNot: tests },
      to: { path: '^src/drivers/' },
    },
    {
      name: 'a-driver-borrows-only-types',
      severity: 'error',
      from: { path: '^src/drivers/', pathNot: tests },
      to: { path: `^src/(${domains})/`, dependencyTypesNot: ['type-only'] },
    },
    { name: 'platform-knows-no-domain', severity: 'error', from: { path: '^src/platform/' }, to: { path: `^src/(${domains})/` } },
    // A file without a role in its name (change.ts, not change.store.ts) decides; it touches nothing.
    {
      name: 'rules-are-pure',
      severity: 'error',
      from: { path: `^src/(${domains})/[^.]+\\.ts$`, pathNot: '/index\\.ts$' },
      to: { path: '^src/platform/(database|http|queue|control-socket|processes)/|node_modules/(kysely|pg|pg-boss|fastify)/' },
    },
    {
      name: 'rules-touch-no-machine',
      severity: 'error',
      from: { path: `^src/(${domains})/[^.]+\\.ts$`, pathNot: '/index\\.ts$' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(path|url|util)$' },
    },
    {
      name: 'web-and-cli-speak-http',
      severity: 'error',
      from: { path: '^src/(web|cli|client)/' },
      to: { path: `^src/(${domains}|platform|drivers)/` },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules/(?!kysely|pg|fastify)' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
