/** Runs a build command in a clean directory, apart from the platform. */
export interface BuildRequest {
  /** A clean checkout. The command runs here. */
  readonly directory: string;
  /** Started without a shell. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** Largest output folder in bytes. */
  readonly maxBytes: number;
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Folder inside `directory` whose content becomes the artifact. */
  readonly output: string;
  readonly onLog: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface BuildRunner {
  /**
   * Runs the command and packs `output` into one deterministic tar archive (sorted, owner 0, time 0): two builds of
   * the same bytes are byte-equal. Faults: `build.failed` (exit code, last lines), `build.timeout`, `build.too-large`,
   * `build.no-output`, `build.unsafe-output` (a link that leads out of the folder); retryable: `build.aborted`,
   * `build.disk-full`. The archive is the caller's to remove.
   */
  run(request: BuildRequest): Promise<{ readonly archive: string; readonly bytes: number }>;
}
