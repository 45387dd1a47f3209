import pc from 'picocolors';
import type { Problem } from '../client/client.ts';
import { printable } from './paint.ts';

/** A refusal as a person reads it: what was expected and got, every single fault with its place, what to do next. */
export function paintProblem(problem: Problem): string {
  const faults = (problem.faults ?? []).map((fault) => {
    const place = [fault.file, fault.line, fault.column].filter((part) => part !== undefined).join(':');
    return `  ${pc.red('✘')} ${[place, fault.pointer].filter(Boolean).join(' ')}${place || fault.pointer ? ': ' : ''}${printable(fault.detail)}`;
  });
  return [
    `${pc.red('✘')} ${printable(problem.detail)} ${pc.dim(`(${problem.code})`)}`,
    ...faults,
    ...diffLines(problem),
    ...(problem.remedy ? [`  ${pc.dim('→')} ${printable(problem.remedy)}`] : []),
  ].join('\n');
}

/** What changed between the candidate that was looked at and the one there is now. */
function diffLines(problem: Problem): readonly string[] {
  const { diff } = problem as { readonly diff?: unknown };
  if (!Array.isArray(diff)) return [];
  return diff.map((d: { readonly pointer: string; readonly before: unknown; readonly after: unknown }) => paintDifference(d));
}

export function paintDifference(d: { readonly pointer: string; readonly before?: unknown; readonly after?: unknown }): string {
  const show = (value: unknown) => (value === undefined || value === null ? '(none)' : printable(JSON.stringify(value)));
  return `    ${d.pointer}: ${pc.red(show(d.before))} → ${pc.green(show(d.after))}`;
}
