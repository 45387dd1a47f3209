/** What is sold. Prices in cents. */
export const products = [
  { id: 'kettle', name: 'Enamel kettle', price: 3900, shelf: 'kitchen' },
  { id: 'teapot', name: 'Stoneware teapot', price: 4400, shelf: 'kitchen' },
  { id: 'cups', name: 'Four cups', price: 2800, shelf: 'kitchen' },
  { id: 'lamp', name: 'Reading lamp', price: 6900, shelf: 'light' },
  { id: 'lantern', name: 'Storm lantern', price: 3200, shelf: 'light' },
  { id: 'blanket', name: 'Wool blanket', price: 8900, shelf: 'textiles' },
  { id: 'towel', name: 'Linen towel', price: 1800, shelf: 'textiles' },
  { id: 'notebook', name: 'Notebook', price: 900, shelf: 'paper' },
  { id: 'chart', name: 'Tide chart', price: 1500, shelf: 'paper' },
  { id: 'knife', name: 'Pocket knife', price: 4900, shelf: 'tools' },
  { id: 'rope', name: 'Ten metres of rope', price: 1200, shelf: 'tools' },
  { id: 'compass', name: 'Brass compass', price: 5600, shelf: 'tools' },
];

const byId = new Map(products.map((product) => [product.id, product]));

export function findProduct(id) {
  return byId.get(id);
}
