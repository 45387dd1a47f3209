import { addToCart, cartCookie, checkItems, readCart, Refused, totalOf } from './cart.mjs';
import { findProduct, products } from './catalogue.mjs';
import { reserve, stockOn } from './warehouse.mjs';

/**
 * Every page of the shop: `METHOD /path` to a function from the request to an answer. A page that shows or sells goods
 * asks the warehouse once.
 */
export function createShop({ currency, banner }) {
  return {
    'GET /': async () => {
      await stockOn('window');
      return { html: page({ banner, currency }) };
    },
    'GET /products': async () => {
      const available = await stockOn('index');
      return { json: { currency, available, products: products.map(({ id, name, price }) => ({ id, name, price })) } };
    },
    'GET /products/:id': async ({ id }) => {
      const product = productOr404(id);
      const { name, price, shelf } = product;
      return { json: { id, name, price, currency, stock: await stockOn(shelf) } };
    },
    'POST /cart': async ({ body, cookie }) => {
      const items = addToCart(readCart(cookie), body);
      const stock = await stockOn(findProduct(body.product).shelf);
      return { json: { items, total: totalOf(items), currency, stock }, cookie: cartCookie(items) };
    },
    'POST /checkout': async ({ body, cookie }) => {
      const items = body?.items === undefined ? readCart(cookie) : checkItems(body.items);
      if (items.length === 0) throw new Refused(409, 'expected something in the cart');
      const reserved = await reserve(items);
      return { json: { reserved, total: totalOf(items), currency }, cookie: cartCookie([]) };
    },
  };
}

export function productOr404(id) {
  const product = findProduct(id);
  if (product === undefined) throw new Refused(404, 'expected the id of a product we sell');
  return product;
}

function page({ banner, currency }) {
  const goods = products.map(
    ({ id, name, price }) => `<li><a href="/products/${id}">${name}</a> ${(price / 100).toFixed(2)} ${escape(currency)}</li>`,
  );
  const welcome = banner === '' ? '' : `<p role="status">${escape(banner)}</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Storefront</title>${welcome}<h1>Storefront</h1><ul>${goods.join('')}</ul></html>\n`;
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
