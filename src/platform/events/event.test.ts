import { expect, test } from 'vitest';
import type { Entry } from '../ledger/entry.ts';
import { eventOf } from './event.ts';

const entry: Entry = {
  id: '01936f5e-0000-7000-8000-000000000000',
  at: '2026-11-23T07:00:00.000Z',
  actor: 'ada',
  action: 'approval.given',
  subject: 'approval/7',
};
const related = ['release/storefront@1.1.0', 'environment/production'];

function typeAndContent(some: Partial<Entry>): unknown {
  const { data } = eventOf(0, { ...entry, ...some }).cloudEvent;
  return [data.context.type, data.subject.id, data.subject.content];
}

test('an event is a CloudEvent that carries the ledger entry', () => {
  const { cloudEvent } = eventOf(41, { ...entry, related }, '/tidegate/acme');

  expect(cloudEvent).toEqual({
    specversion: '1.0',
    id: entry.id,
    source: '/tidegate/acme',
    type: 'dev.tidegate.approval.given',
    subject: 'approval/7',
    time: entry.at,
    datacontenttype: 'application/json',
    sequence: '0000000000000042',
    data: {
      context: { specversion: '0.5.1', id: entry.id, source: '/tidegate/acme', type: 'dev.tidegate.approval.given', timestamp: entry.at },
      subject: { id: 'approval/7', source: '/tidegate/acme', content: {} },
      customData: { ...entry, related },
      customDataContentType: 'application/json',
    },
  });
});

test('its place in the stream is its position, from 1; as JSON it is the CloudEvent alone', () => {
  const event = eventOf(0, { ...entry, related });

  expect(event).toMatchObject({ id: 1, type: 'dev.tidegate.approval.given', subjects: ['approval/7', ...related] });
  expect(JSON.parse(JSON.stringify(event))).toEqual(event.cloudEvent);
});

test('a build is a CDEvent, with a package URL of what came out of it', () => {
  const subject = 'build/1';
  const artifact = 'sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae';

  expect(typeAndContent({ action: 'build.started', subject, related })).toEqual(['dev.cdevents.build.started.0.3.0', subject, {}]);
  expect(typeAndContent({ action: 'build.failed', subject, related })).toEqual(['dev.cdevents.build.finished.0.3.0', subject, {}]);
  expect(typeAndContent({ action: 'build.succeeded', subject, related, after: { artifact } })).toEqual([
    'dev.cdevents.build.finished.0.3.0',
    subject,
    { artifactId: `pkg:generic/storefront@1.1.0?checksum=${artifact}` },
  ]);
});

test('a deployment is a service deployed, upgraded or rolled back', () => {
  const after = { release: 'storefront@1.1.0', retired: null };
  const content = { environment: { id: 'production' }, artifactId: 'pkg:generic/storefront@1.1.0' };
  const of = (some: Partial<Entry>) => typeAndContent({ subject: 'deployment/7', related, ...some });

  expect(of({ action: 'deployment.succeeded', after })).toEqual(['dev.cdevents.service.deployed.0.3.0', 'application/storefront', content]);
  expect(of({ action: 'deployment.succeeded', after: { ...after, retired: 'deployment/6' } })).toEqual([
    'dev.cdevents.service.upgraded.0.3.0',
    'application/storefront',
    content,
  ]);
  expect(of({ action: 'deployment.rolled-back', after })).toEqual([
    'dev.cdevents.service.rolledback.0.3.0',
    'application/storefront',
    content,
  ]);
});

test('what lacks a member that CDEvents asks for is an event of our own, not a wrong CDEvent', () => {
  expect(typeAndContent({ action: 'deployment.succeeded', subject: 'deployment/7' })).toEqual([
    'dev.tidegate.deployment.succeeded',
    'deployment/7',
    {},
  ]);
  expect(typeAndContent({ action: 'resource.created', subject: 'pipeline/web' })).toEqual([
    'dev.tidegate.resource.created',
    'pipeline/web',
    {},
  ]);
  expect(typeAndContent({ action: 'resource.changed', subject: 'environment/staging' })).toEqual([
    'dev.cdevents.environment.modified.0.3.0',
    'environment/staging',
    { name: 'staging' },
  ]);
});
