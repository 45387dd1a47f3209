/**
 * Whether a path taken from a repository or an archive stays inside the folder it is unpacked in. Pure text rules: they
 * hold before anything is written, and leave nothing to a race.
 */

/** The path's parts, or undefined when it is absolute, empty, climbs, or holds what no honest path holds. */
export function containedParts(path: string): readonly string[] | undefined {
  if (path.includes('\0') || path.includes('\\') || path.length > 4096) return undefined;
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.length > 255)) return undefined;
  return parts;
}

/**
 * Whether a symbolic link at `path` (relative to the folder) with this target stays inside. `..` may only lead: after a
 * name it could pass through another link (`link/../..`), and no text rule says where that ends.
 */
export function isContainedLink(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0') || target.includes('\\') || target.length > 4096) return false;
  const depth = path.split('/').length - 1;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const climbs = parts.findIndex((part) => part !== '..');
  const leading = climbs === -1 ? parts.length : climbs;
  return leading <= depth && !parts.slice(leading).includes('..');
}
