import type { Entry } from '../ledger/entry.ts';

/** The version of the CDEvents specification that the types and contents below follow. */
const SPECIFICATION = '0.5.1';

export interface CdEvent {
  readonly context: {
    readonly specversion: string;
    readonly id: string;
    readonly source: string;
    readonly type: string;
    readonly timestamp: string;
  };
  readonly subject: CdSubject;
  /** The ledger entry. */
  readonly customData: Entry;
  readonly customDataContentType: 'application/json';
}

interface CdSubject {
  readonly id: string;
  readonly source: string;
  readonly content: Readonly<Record<string, unknown>>;
}

interface Happening {
  readonly type: string;
  /** Default: the entry's subject. */
  readonly id?: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** The entry in the shape of a CDEvent; of a type of ours where the specification has none, or asks for what the entry lacks. */
export function cdEventOf(entry: Entry, source: string): CdEvent {
  const happening = translations[entry.action]?.(entry) ?? { type: `dev.tidegate.${entry.action}`, content: {} };
  return {
    context: { specversion: SPECIFICATION, id: entry.id, source, type: happening.type, timestamp: entry.at },
    subject: { id: happening.id ?? entry.subject, source, content: happening.content },
    customData: entry,
    customDataContentType: 'application/json',
  };
}

type Translation = (entry: Entry) => Happening | undefined;

const translations: Readonly<Record<string, Translation>> = {
  'build.started': () => ({ type: 'dev.cdevents.build.started.0.3.0', content: {} }),
  'build.succeeded': (entry) => ({ type: 'dev.cdevents.build.finished.0.3.0', content: { artifactId: packageUrlOf(entry) } }),
  'build.failed': () => ({ type: 'dev.cdevents.build.finished.0.3.0', content: {} }),
  'artifact.published': () => ({ type: 'dev.cdevents.artifact.published.0.3.0', content: {} }),
  'deployment.succeeded': (entry) => service(entry, textAt(entry.after, 'retired') === undefined ? 'deployed' : 'upgraded'),
  'deployment.rolled-back': (entry) => service(entry, 'rolledback'),
  'resource.created': (entry) => environment(entry, 'created'),
  'resource.changed': (entry) => environment(entry, 'modified'),
  'resource.deleted': (entry) => environment(entry, 'deleted'),
};

function service(entry: Entry, what: 'deployed' | 'upgraded' | 'rolledback'): Happening | undefined {
  const release = releaseOf(entry);
  const environmentId = related(entry, 'environment/');
  const artifactId = packageUrlOf(entry);
  if (release === undefined || environmentId === undefined || artifactId === undefined) return undefined;
  return {
    type: `dev.cdevents.service.${what}.0.3.0`,
    id: `application/${release.application}`,
    content: { environment: { id: environmentId }, artifactId },
  };
}

function environment(entry: Entry, what: 'created' | 'modified' | 'deleted'): Happening | undefined {
  const name = named(entry.subject, 'environment/');
  return name === undefined ? undefined : { type: `dev.cdevents.environment.${what}.0.3.0`, content: { name } };
}

/** A purl (https://github.com/package-url/purl-spec) of what was built or runs. */
function packageUrlOf(entry: Entry): string | undefined {
  const release = releaseOf(entry);
  if (release === undefined) return undefined;
  const digest = textAt(entry.after, 'artifact') ?? textAt(entry.after, 'artifactDigest') ?? related(entry, 'artifact/');
  const url = `pkg:generic/${encodeURIComponent(release.application)}@${encodeURIComponent(release.version)}`;
  return digest === undefined ? url : `${url}?checksum=${digest}`;
}

function releaseOf(entry: Entry): { readonly application: string; readonly version: string } | undefined {
  const name = textAt(entry.after, 'release') ?? named(entry.subject, 'release/') ?? related(entry, 'release/');
  const [, application, version] = /^(.+)@([^@]+)$/.exec(name ?? '') ?? [];
  return application === undefined || version === undefined ? undefined : { application, version };
}

function related(entry: Entry, prefix: string): string | undefined {
  return entry.related?.map((subject) => named(subject, prefix)).find((name) => name !== undefined);
}

function named(subject: string, prefix: string): string | undefined {
  return subject.startsWith(prefix) ? subject.slice(prefix.length) : undefined;
}

function textAt(value: unknown, name: string): string | undefined {
  const found = value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[name] : undefined;
  return typeof found === 'string' && found !== '' ? found : undefined;
}
