import type { ResourceKind } from '../platform/resources/index.ts';
import { Application } from './application.ts';

export const applicationKind: ResourceKind<Application> = {
  kind: 'Application',
  summary: 'What is released: its source, who may tag it, how it is built and started',
  spec: Application,
};
