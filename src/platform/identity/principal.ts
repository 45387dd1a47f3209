/** Who acts. Made by the authentication at the edge, handed down as a value. */
export interface Principal {
  readonly name: string;
  readonly kind: 'person' | 'bot' | 'system';
  readonly emails: readonly string[];
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<string>;
  /** The person a bot acts for, as its Principal resource says: goes into `Change.onBehalfOf`. */
  readonly actsFor?: string;
}
