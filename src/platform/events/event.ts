import { type Entry, subjectsOf } from '../ledger/entry.ts';
import { type CdEvent, cdEventOf } from './cd-events.ts';

/**
 * An outgoing event: what the ledger says, as CloudEvents 1.0 in JSON. Where CDEvents 0.5 has a type for what happened,
 * it is that CDEvent (https://cdevents.dev, bound as its CloudEvents binding says); everything else is
 * `dev.tidegate.<noun>.<verb>` in the same shape, so that `data.customData` is the ledger entry in both.
 */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** Of the ledger entry. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** CloudEvents extension `sequence`: the position, padded so that texts sort like numbers. */
  readonly sequence: string;
  readonly data: CdEvent;
}

/** An event on its way to a subscriber. As JSON it is the CloudEvent alone. */
export interface Event {
  /**
   * Position in the order of all events: 1, 2, 3, … without gaps, the same for every subscriber. One more than the index
   * of the ledger entry, so that "after 0" means from the beginning.
   */
  readonly id: number;
  readonly type: string;
  /** Whose streams it shows in. */
  readonly subjects: readonly string[];
  readonly cloudEvent: CloudEvent;
  toJSON(): CloudEvent;
}

const defaultEventSource = '/tidegate';

export function eventOf(index: number, entry: Entry, source: string = defaultEventSource): Event {
  const id = index + 1;
  const data = cdEventOf(entry, source);
  const { context, subject } = data;
  const cloudEvent: CloudEvent = {
    specversion: '1.0',
    id: context.id,
    source,
    type: context.type,
    subject: subject.id,
    time: context.timestamp,
    datacontenttype: 'application/json',
    sequence: String(id).padStart(16, '0'),
    data,
  };
  return { id, type: context.type, subjects: subjectsOf(entry), cloudEvent, toJSON: () => cloudEvent };
}
