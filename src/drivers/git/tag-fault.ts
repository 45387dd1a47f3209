import { Fault } from '../../platform/fault.ts';

/** Why a tag is refused; each is the tag's own fault, so trying again helps nobody. */
const remedies = {
  'tag.malformed': 'Name a tag that git accepts.',
  'tag.unknown': 'Push the tag, or name one that exists.',
  'tag.lightweight': 'Make a signed tag: git tag -s NAME, then push it.',
  'tag.unsigned': 'Make an ssh-signed tag: git -c gpg.format=ssh tag -s NAME, under a new version.',
  'tag.untrusted-signer': 'Let an allowed signer tag the commit, or add the key to spec.allowedSigners of the Application.',
  'tag.misnamed': 'Do not push a signed tag under another name; sign a tag of this name.',
  'tag.not-a-commit': 'Tag the commit itself.',
  'tag.unreachable': 'Merge the commit into a protected branch first.',
} as const;
export type TagFaultCode = keyof typeof remedies;

export function tagFault(code: TagFaultCode, message: string): Fault {
  return new Fault({ code, status: 422, message, remedy: remedies[code] });
}
