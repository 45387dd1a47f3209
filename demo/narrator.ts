import pc from 'picocolors';

/** Tells the story as it happens: lines that stay, and below them a live picture that is painted anew. */
export interface Narrator {
  say(line: string): void;
  /** The live picture; replaces the one before. Without a terminal it is printed only when `key` changes. */
  picture(lines: readonly string[], key: string): void;
  /** What was painted last stays where it is. */
  keep(): void;
}

export function createNarrator(out: NodeJS.WriteStream, startedAt: number, now: () => number): Narrator {
  const live = out.isTTY;
  let painted: readonly string[] = [];
  let lastKey = '';
  const erase = () => {
    if (live && painted.length > 0) out.write(`\u001b[${painted.length}A\u001b[0J`);
  };
  const paint = (lines: readonly string[]) => {
    if (lines.length > 0) out.write(`${lines.map((l) => fit(l, out.columns)).join('\n')}\n`);
    painted = lines;
  };
  return {
    say(line) {
      const before = painted;
      erase();
      painted = [];
      out.write(`${pc.dim(clockOf(now() - startedAt))} ${line}\n`);
      if (live) paint(before);
    },
    picture(lines, key) {
      if (!live) {
        if (key === lastKey) return;
        lastKey = key;
        out.write(`${lines.join('\n')}\n`);
        return;
      }
      erase();
      paint(lines);
    },
    keep() {
      painted = [];
      lastKey = '';
    },
  };
}

export const silent: Narrator = { say() {}, picture() {}, keep() {} };

function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}

/** A line longer than the terminal would wrap and break the count of lines to erase. */
function fit(line: string, columns: number | undefined): string {
  if (!columns) return line;
  let width = 0;
  let result = '';
  // eslint-disable-next-line no-control-regex -- colour codes take no room
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith('\u001b')) result += part;
    else {
      const room = columns - 1 - width;
      result += part.length > room ? part.slice(0, Math.max(room, 0)) : part;
      width += part.length;
    }
  }
  return result;
}
