/**
 * Writing to the host's streams: at once and in full, so that nothing is lost when the process ends, and the guest's
 * output keeps its order.
 *
 * Invariants: a reader that went away is no error, what is written afterwards goes nowhere; any other failure to write
 * ends the command. Bytes of the guest pass through untouched.
 */
import { fstatSync, writeSync } from "node:fs";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";

export class Output {
  readonly descriptor: number;
  /** True once nobody reads any more. */
  closed = false;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  get isTerminal(): boolean {
    return isTerminal(this.descriptor);
  }

  write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length && !this.closed;) {
      try {
        written += writeSync(this.descriptor, bytes, written);
      } catch (error) {
        this.cope(error);
      }
    }
  }

  text(text: string): void {
    this.write(new TextEncoder().encode(text));
  }

  private cope(error: unknown): void {
    const code = errorCode(error);
    if (code === "EAGAIN") return pauseBriefly();
    if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "EOF") {
      this.closed = true;
      return;
    }
    const stream = this.descriptor === 1 ? "standard output" : "standard error";
    this.closed = true;
    throw new CliFailure(ExitStatus.OwnFailure, `cannot write to ${stream}: ${code ?? String(error)}`);
  }
}

/** Node's module for terminals takes long to load, so it is only asked about what may be one. */
function isTerminal(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(descriptor);
  } catch {
    return false;
  }
}

export function errorCode(error: unknown): string | null {
  if (typeof error !== "object" || error === null || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** A stream that does not block is full or empty for now: waits a millisecond without going round the event loop. */
export function pauseBriefly(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

const GATHERED_BYTES = 1 << 16;

/** The guest's two streams: small writes are gathered, and go out in the order in which the guest made them. */
export class GuestOutput {
  /** True once the guest wrote anything. */
  wrote = false;
  /** True if the last thing written to a terminal left its line open. */
  lineOpen = false;
  private readonly out: Output;
  private readonly err: Output;
  private readonly gathered: Uint8Array = new Uint8Array(GATHERED_BYTES);
  private length = 0;
  private target: Output;

  constructor(out: Output, err: Output) {
    this.out = out;
    this.err = err;
    this.target = out;
  }

  readonly stdout = (bytes: Uint8Array): void => this.write(this.out, bytes);
  readonly stderr = (bytes: Uint8Array): void => this.write(this.err, bytes);

  get nobodyReads(): boolean {
    return this.out.closed;
  }

  flush(): void {
    if (this.length === 0) return;
    const gathered = this.gathered.subarray(0, this.length);
    this.length = 0;
    this.target.write(gathered);
  }

  private write(target: Output, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.wrote = true;
    this.lineOpen = bytes[bytes.length - 1] !== 10;
    if (target !== this.target || this.length + bytes.length > GATHERED_BYTES) this.flush();
    this.target = target;
    if (bytes.length > GATHERED_BYTES) return target.write(bytes);
    this.gathered.set(bytes, this.length);
    this.length += bytes.length;
  }
}
