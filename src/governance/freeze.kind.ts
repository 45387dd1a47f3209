import type { ResourceKind } from '../platform/resources/index.ts';
import { Freeze } from './freeze.ts';

export const freezeKind: ResourceKind<Freeze> = {
  kind: 'Freeze',
  summary: 'A span of time in which nothing of its scope is deployed',
  spec: Freeze,
  permission: 'freeze.declare',
};
