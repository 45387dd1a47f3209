import pc from 'picocolors';

/** Never by colour alone: each sign differs in shape, so NO_COLOR and paper lose nothing. */
export const signs = {
  allow: pc.green('✔'),
  deny: pc.red('✘'),
  undetermined: pc.yellow('…'),
} as const;

export type Effect = keyof typeof signs;

export interface ShownReason {
  readonly code: string;
  readonly sentence: string;
  readonly remedy?: string | undefined;
}

export interface ShownNode {
  readonly subject: string;
  readonly effect: Effect;
  readonly reasons: readonly ShownReason[];
  readonly until?: string | undefined;
  readonly children: readonly ShownNode[];
}

/** A tree of decisions: the reasons stand at the leaves, the remedy below what it mends. */
export function paintTree(node: ShownNode, indent = ''): string {
  const own = `${signs[node.effect]} ${pc.bold(node.subject)}${node.children.length === 0 ? reasonsOf(node, indent) : ''}`;
  const children = node.children.map((child, i) => {
    const last = i === node.children.length - 1;
    return `${indent}${last ? '└─ ' : '├─ '}${paintTree(child, indent + (last ? '   ' : '│  '))}`;
  });
  return [own, ...children].join('\n');
}

function reasonsOf(node: ShownNode, indent: string): string {
  const lines = node.reasons.flatMap((r, i) => [
    i === 0 ? `: ${printable(r.sentence)}` : `\n${indent}   ${printable(r.sentence)}`,
    ...(r.remedy && node.effect !== 'allow' ? [`\n${indent}   ${pc.dim('→')} ${printable(r.remedy)}`] : []),
  ]);
  return lines.join('');
}

/** What others wrote (reasons, names, messages) never moves the cursor or rings the bell of whoever reads it. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, '�');
}

/** Columns padded to their widest cell. */
export function paintTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable));
  const widths = head.map((h, i) => Math.max(h.length, ...clean.map((r) => r[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((c, i) => (i === head.length - 1 ? c : c.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [pc.dim(line(head)), ...clean.map(line)].join('\n');
}
