import type { Json } from '../digest.ts';

/** One thing somebody did, as it enters the ledger and leaves as an event. Nothing secret may be in it. */
export interface Change {
  /** Principal name, or `system:reconciler`. */
  readonly actor: string;
  /** The human behind a bot. */
  readonly onBehalfOf?: string;
  /** `noun.verb-in-past`: `release.created`, `approval.given`, `deployment.traffic-shifted`. */
  readonly action: string;
  /** `noun/id`: `release/storefront@1.1.0`. Also the subject that event streams filter on. */
  readonly subject: string;
  /** Further subjects whose streams show this change, e.g. the release of a deployment. */
  readonly related?: readonly string[];
  readonly before?: Json;
  readonly after?: Json;
  /** Why, in the actor's words. */
  readonly reason?: string;
  readonly at: Date;
}
