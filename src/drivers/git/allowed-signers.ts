import type { AllowedSigner } from '../../artifacts/source.port.ts';
import { Fault } from '../../platform/fault.ts';
import type { FaultItem } from '../../platform/fault.ts';

const keyLine =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]+={0,2})(?: [^\n\r]*)?$/;
/** No space, comma, quote, wildcard or comment sign: ssh-keygen(1) would read those as patterns or options. */
const principalName = /^[A-Za-z0-9][A-Za-z0-9@._+-]{0,254}$/;
/** A 2048-bit modulus makes a key blob of 279 bytes. */
const leastRsaBytes = 279;

/** The text of an allowed-signers file, good for tags only. All faults of the list at once (`tag.invalid-signer`, 422). */
export function allowedSignersFile(signers: readonly AllowedSigner[]): string {
  const owners = new Map<string, string>();
  const faults: FaultItem[] = [];
  const lines = signers.map((signer, index) => {
    const [, type = '', blob = ''] = keyLine.exec(signer.key.trim()) ?? [];
    const problem = problemOf({ principal: signer.principal, type, blob, owner: owners.get(blob) });
    if (problem !== undefined) faults.push({ pointer: `/${index}`, code: 'tag.invalid-signer', detail: problem });
    owners.set(blob, signer.principal);
    return `${signer.principal} namespaces="git" ${type} ${blob}\n`;
  });
  if (faults.length === 0) return lines.join('');
  throw new Fault({
    code: 'tag.invalid-signer',
    status: 422,
    message: faults[0]?.detail ?? 'expected a list of allowed signers',
    remedy: 'Correct spec.allowedSigners of the Application.',
    faults,
  });
}

function problemOf(entry: { principal: string; type: string; blob: string; owner: string | undefined }): string | undefined {
  const { principal, type, blob, owner } = entry;
  if (!principalName.test(principal)) return `expected a plain principal name, got ${JSON.stringify(principal)}`;
  if (type === '') return `expected an OpenSSH public key line for ${principal}, got something else`;
  const key = Buffer.from(blob, 'base64');
  if (key.length < 8 || key.readUInt32BE(0) !== type.length || key.toString('latin1', 4, 4 + type.length) !== type) {
    return `expected a ${type} key for ${principal}, got another inside`;
  }
  if (type === 'ssh-rsa' && key.length < leastRsaBytes)
    return `expected an RSA key of 2048 bits or more for ${principal}, got a shorter one`;
  if (owner !== undefined && owner !== principal) return `expected one principal per key, got the same key for ${owner} and ${principal}`;
  return undefined;
}
