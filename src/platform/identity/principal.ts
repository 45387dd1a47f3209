/** Who acts. Made by the authentication at the edge, handed down as a value. */
export interface Principal {
  readonly name: string;
  readonly kind: 'person' | 'bot' | 'system';
  readonly emails: readonly string[];
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<string>;
}
