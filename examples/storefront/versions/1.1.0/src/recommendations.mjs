import { findProduct, products } from './catalogue.mjs';

/** What people who bought one thing bought as well, from last season's orders. */
const boughtTogether = {
  kettle: ['teapot', 'cups', 'blanket'],
  teapot: ['cups', 'kettle', 'towel'],
  cups: ['teapot', 'kettle', 'towel'],
  lamp: ['notebook', 'blanket', 'chart'],
  lantern: ['rope', 'compass', 'knife'],
  chart: ['compass', 'notebook', 'lantern'],
  compass: ['chart', 'knife', 'rope'],
};

/** At most three other products: what was bought together, filled up from the same shelf. Asks nobody. */
export function recommendationsFor(product) {
  const together = (boughtTogether[product.id] ?? []).map((id) => findProduct(id));
  const neighbours = products.filter((other) => other.shelf === product.shelf && other.id !== product.id);
  return [...new Set([...together, ...neighbours])].slice(0, 3).map(({ id, name, price }) => ({ id, name, price }));
}
