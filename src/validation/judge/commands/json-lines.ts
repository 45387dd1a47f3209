import { shown, type InputFaults } from './input-faults.ts';
import { brokenAt, columnOf, type Path } from './json-place.ts';
import { LineCutter, textOf, type Line } from './lines.ts';

/** One batch of latencies or one case is one line. A line is parsed as a whole, so its length is the memory needed. */
const LINE_LIMIT = 64 * 1024 * 1024;

/** One line's value, and where to say what is wrong with it. */
export interface JsonLine {
  readonly value: unknown;
  readonly number: number;
  readonly complain: (path: Path, detail: string) => void;
}

/** Reads JSON lines from chunks of bytes. Empty lines are allowed at the end only. */
export class JsonLines {
  readonly #faults: InputFaults;
  readonly #onLine: (line: JsonLine) => void;
  readonly #lines: LineCutter;
  #count = 0;
  #blankLine = 0;

  constructor(faults: InputFaults, onLine: (line: JsonLine) => void) {
    this.#faults = faults;
    this.#onLine = onLine;
    this.#lines = new LineCutter(
      LINE_LIMIT,
      (line) => {
        this.#line(line);
      },
      (number) => {
        faults.add(number, 1, `expected a line of at most ${LINE_LIMIT} bytes`);
      },
    );
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    if (this.#count === 0 && this.#faults.count === 0) this.#faults.add(1, 1, 'expected one JSON object a line, got an empty input');
  }

  #line(line: Line): void {
    const text = textOf(line);
    if (text.trim() === '') {
      this.#blankLine ||= line.number;
      return;
    }
    if (this.#blankLine > 0) this.#faults.add(this.#blankLine, 1, 'expected a JSON object, got an empty line');
    this.#blankLine = 0;
    this.#count += 1;
    const parsed = parse(text);
    if ('fault' in parsed) {
      this.#faults.add(line.number, parsed.column, parsed.fault);
      return;
    }
    const complain = (path: Path, detail: string): void => {
      this.#faults.add(line.number, columnOf(text, path), detail);
    };
    this.#onLine({ value: parsed.value, number: line.number, complain });
  }
}

type Parsed = { readonly value: unknown } | { readonly fault: string; readonly column: number };

function parse(text: string): Parsed {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    const at = brokenAt(text);
    const word = /^[\w+.-]+/.exec(text.slice(at, at + 100))?.[0] ?? text[at];
    return { fault: `expected JSON, got ${word === undefined ? 'the end of the line' : shown(word)}`, column: at + 1 };
  }
}
