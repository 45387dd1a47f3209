import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Route } from './route.ts';
import { read } from './route.ts';

/** Files of a page that needs no sign-in to be loaded; what it shows comes over the API with a token. */
export interface StaticFile {
  readonly path: string;
  readonly file: string;
  readonly type: string;
}

/** Read once, at start: a request names a route, never a file. */
export function staticRoutes(folder: string, files: readonly StaticFile[]): readonly Route[] {
  return files.map(({ path, file, type }) => {
    const text = readFileSync(join(folder, file), 'utf8');
    return read({
      path,
      operation: `get${file.replaceAll(/(^|[^a-z])([a-z])/g, (_, __, letter: string) => letter.toUpperCase())}`,
      access: 'public',
      summary: `The status page: ${file}`,
      answers: type,
      result: z.string(),
      handle: () => Promise.resolve({ body: text }),
    });
  });
}
