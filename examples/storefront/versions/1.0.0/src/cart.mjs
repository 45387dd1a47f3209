import { findProduct } from './catalogue.mjs';

const mostLines = 20;
const mostOfOne = 99;

/** A customer's mistake, with the status to answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The cart lives in a cookie (`kettle:2.lamp:1`), so that any instance of any version can serve any customer. */
export function readCart(cookie = '') {
  const [, value = ''] = /(?:^|;\s*)cart=([a-z0-9:.-]{0,500})/.exec(cookie) ?? [];
  const lines = value.split('.').map((line) => line.split(':'));
  return lines.flatMap(([id, quantity]) =>
    findProduct(id) && isQuantity(Number(quantity)) ? [{ product: id, quantity: Number(quantity) }] : [],
  );
}

export function cartCookie(items) {
  const value = items.map((item) => `${item.product}:${item.quantity}`).join('.');
  return `cart=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400`;
}

export function addToCart(items, wanted) {
  const item = checkItem(wanted);
  const others = items.filter((other) => other.product !== item.product);
  const before = items.find((other) => other.product === item.product)?.quantity ?? 0;
  if (others.length >= mostLines) throw new Refused(409, `expected at most ${mostLines} different products in a cart`);
  return [...others, { product: item.product, quantity: Math.min(mostOfOne, before + item.quantity) }];
}

export function checkItems(value) {
  if (!Array.isArray(value) || value.length === 0 || value.length > mostLines) throw new Refused(400, `expected 1 to ${mostLines} items`);
  return value.map(checkItem);
}

export function totalOf(items) {
  return items.reduce((sum, item) => sum + findProduct(item.product).price * item.quantity, 0);
}

function checkItem(value) {
  const product = value?.product;
  const quantity = value?.quantity ?? 1;
  if (typeof product !== 'string' || !findProduct(product)) throw new Refused(404, 'expected the id of a product we sell');
  if (!isQuantity(quantity)) throw new Refused(400, `expected a quantity of 1 to ${mostOfOne}`);
  return { product, quantity };
}

function isQuantity(value) {
  return Number.isInteger(value) && value >= 1 && value <= mostOfOne;
}
