import { StringDecoder } from 'node:string_decoder';

const longestLine = 8 * 1024;
/** What one build may say; beyond it the log ends with a sentence, the build goes on. */
const mostBytes = 8 * 1024 * 1024;

/** Cuts what a build prints into lines, bounded in length and amount, without control characters (colours go too). */
export function logLines(onLog: (line: string) => void): {
  stream(): { push(chunk: Buffer): void; end(): void };
  readonly last: readonly string[];
} {
  const last: string[] = [];
  let bytes = 0;
  const emit = (raw: string) => {
    if (bytes > mostBytes) return;
    bytes += raw.length + 1;
    const line = bytes > mostBytes ? `… the log is longer than ${mostBytes / 1024 / 1024} MiB; the rest is left out` : clean(raw);
    last.push(line);
    if (last.length > 20) last.shift();
    onLog(line);
  };
  return {
    last,
    stream() {
      const decoder = new StringDecoder('utf8');
      let rest = '';
      return {
        push(chunk) {
          const lines = (rest + decoder.write(chunk)).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) emit(line);
          if (rest.length > longestLine) {
            emit(rest);
            rest = '';
          }
        },
        end() {
          rest += decoder.end();
          if (rest !== '') emit(rest);
          rest = '';
        },
      };
    },
  };
}

function clean(line: string): string {
  // eslint-disable-next-line no-control-regex -- terminal escapes must not reach whoever reads the log
  const plain = line.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
  return plain.length > longestLine ? `${plain.slice(0, longestLine)}…` : plain;
}
