import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

/** The warehouse could not be reached. Customers see 503 and try again. */
export class WarehouseUnavailable extends Error {}

/** Of the calls into the warehouse's network, one in this many is cut off: the line is old, and everybody knows. */
const callsPerCut = 200;

const seed = randomBytes(4).readUInt32LE();
let calls = 0;

/** How many are on this shelf. Stands in for the remote stock system: a few milliseconds away, over a bad line. */
export async function stockOn(shelf) {
  calls += 1;
  const luck = mix(seed ^ Math.imul(calls, 0x9e3779b1));
  await pause(1 + (luck % 4));
  if ((luck >>> 8) % callsPerCut === 0) throw new WarehouseUnavailable(`the line to the warehouse was cut while asking for ${shelf}`);
  return 5 + (mix(hashOf(shelf)) % 90);
}

/** Puts the goods aside for a customer. */
export async function reserve(items) {
  await stockOn('dispatch');
  return items.reduce((sum, item) => sum + item.quantity, 0);
}

/** Spreads 32 bits evenly (the finaliser of MurmurHash3). */
function mix(value) {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function hashOf(text) {
  let hash = 0;
  for (const character of text) hash = (Math.imul(hash, 31) + character.codePointAt(0)) | 0;
  return hash;
}
