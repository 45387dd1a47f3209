import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createBreaker } from './circuit-breaker.mjs';

/** The warehouse could not be reached. Customers see 503 and try again. */
export class WarehouseUnavailable extends Error {}

/** Of the calls into the warehouse's network, one in this many is cut off: the line is old, and everybody knows. */
const callsPerCut = 200;

const seed = randomBytes(4).readUInt32LE();
let calls = 0;

const breaker = createBreaker();

/** How many are on this shelf, unless the breaker knows that the warehouse is away. */
export async function stockOn(shelf) {
  if (breaker.isOpen(shelf)) throw new WarehouseUnavailable(`the warehouse was away a moment ago, ${shelf} was not asked for`);
  try {
    const stock = await askWarehouse(shelf);
    breaker.succeeded(shelf);
    return stock;
  } catch (error) {
    breaker.failed(shelf);
    throw error;
  }
}

/** Stands in for the remote stock system: a few milliseconds away, over a bad line. */
async function askWarehouse(shelf) {
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
