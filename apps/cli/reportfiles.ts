/**
 * The files that a run writes for its user: the report and the trace. They are opened before the guest starts, so that a
 * name that cannot be written is told at once and not after the run.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { errorCode, type Output } from "./output.ts";

/** A text file that is written from its beginning, in large pieces. */
export class TextFile {
  private pending: string[] = [];
  private pendingLength = 0;
  private readonly path: string;
  private readonly descriptor: number;

  constructor(path: string) {
    this.path = path;
    this.descriptor = this.guarded(() => openSync(path, "w"));
  }

  readonly write = (text: string): void => {
    this.pending.push(text);
    this.pendingLength += text.length;
    if (this.pendingLength > 1 << 18) this.flush();
  };

  close(): void {
    this.flush();
    this.guarded(() => closeSync(this.descriptor));
  }

  private flush(): void {
    const bytes = new TextEncoder().encode(this.pending.join(""));
    this.pending = [];
    this.pendingLength = 0;
    for (let written = 0; written < bytes.length;) {
      written += this.guarded(() => writeSync(this.descriptor, bytes, written));
    }
  }

  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new CliFailure(ExitStatus.OwnFailure, `cannot write ${this.path}: ${errorCode(error) ?? String(error)}`);
    }
  }
}

/** Where `--json` goes: a file, or standard output for `-`. */
export function openReport(path: string | null, out: Output): { write(text: string): void; close(): void } | null {
  if (path === null) return null;
  if (path !== "-") return new TextFile(path);
  return { write: (text) => out.text(text), close: () => undefined };
}
