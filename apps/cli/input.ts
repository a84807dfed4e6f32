/**
 * The guest's standard input. All of it is read when the guest first asks, because input is part of what makes a run this
 * run; a program that never reads does not wait for whoever started us to close a pipe.
 */
import { readSync } from "node:fs";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { errorCode, pauseBriefly } from "./output.ts";

const CHUNK_BYTES = 1 << 16;
/** More could not be kept in a replay, and would sooner be a device without an end. */
const MAXIMUM_BYTES = 1 << 30;

/** Reads standard input to its end; nothing if it is closed. */
export function readStandardInput(): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const length = readChunk(chunk);
    if (length === 0) return join(chunks, total);
    total += length;
    if (total > MAXIMUM_BYTES) throw new CliFailure(ExitStatus.OwnFailure, "standard input is larger than 1 GiB");
    chunks.push(chunk.subarray(0, length));
  }
}

function readChunk(chunk: Uint8Array): number {
  for (;;) {
    try {
      return readSync(0, chunk);
    } catch (error) {
      const code = errorCode(error);
      if (code === "EOF" || code === "EBADF") return 0;
      if (code !== "EAGAIN") throw new CliFailure(ExitStatus.OwnFailure, `cannot read standard input: ${code ?? ""}`);
      pauseBriefly();
    }
  }
}

function join(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  const all = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}

/** A value that is made when it is first asked for. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
