import { z } from 'zod';
import { stream } from './route.ts';
import type { Route, StreamedEvent } from './route.ts';

/** Outgoing events in their order: those after `afterId` first, then as they happen, until the signal aborts. */
export type Subscribe = (options: {
  readonly subject?: string;
  readonly afterId?: number;
  readonly signal: AbortSignal;
}) => AsyncIterable<StreamedEvent>;

/** The event stream people and the CLI follow a release by. */
export function eventRoutes({ subscribe }: { readonly subscribe: Subscribe }): readonly Route[] {
  return [
    stream({
      path: '/api/v1/events',
      operation: 'watchEvents',
      access: 'event.read',
      summary: 'Events as they happen: CloudEvents, resumable with Last-Event-ID',
      description: 'Each `data` is a CloudEvent; the `id` of the stream is its position, the same for everybody.',
      query: z.strictObject({
        subject: z
          .string()
          .max(300)
          .regex(/^[a-z][a-z-]*\/[A-Za-z0-9@._/+-]+$/, 'a subject such as release/storefront@1.1.0')
          .optional()
          .describe('Only events of this subject or related to it: release/storefront@1.1.0'),
        after: z.coerce.number().int().min(0).optional().describe('Start after this event; Last-Event-ID wins over it'),
      }),
      events: ({ query, afterId, signal }) => {
        const after = afterId ?? query.after;
        return subscribe({
          ...(query.subject !== undefined && { subject: query.subject }),
          ...(after !== undefined && { afterId: after }),
          signal,
        });
      },
    }),
  ];
}
