/**
 * Gets the processor's WebAssembly module ready: finds the v86 package, checks its hash, patches it or takes the
 * patched file from the user's cache, and compiles it the way that makes the first guest instruction come soonest.
 *
 * V8's optimising compiler is the main cost of a short run: it compiles v86's three huge functions in the background,
 * on a core that others need, and Node waits for it at the end. So the first module is compiled by the baseline compiler
 * only, whatever becomes hot. When guest code is about to be compiled the run is a long one, and goes on with a second
 * module that V8 optimises as it sees fit, as it does the code that v86 generates.
 *
 * The cache is `$XDG_CACHE_HOME/rundown` or `~/.cache/rundown`. A file there is named after the package's hash and the
 * version of the patch, ends in a checksum of what precedes, and comes into being by a rename, so that several
 * processes may do this at once. If the cache cannot be used, the module is patched in memory at each start.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { crc32 } from "node:zlib";
import { EXPECTED_SHA256, PATCH_VERSION, patchProcessor } from "../../src/cpu/patch.ts";
import { webAssembly, type WasmModule } from "../../src/cpu/webassembly.ts";

export interface ProcessorOptions {
  /** Whether to start fast, or to run at full speed as soon as possible: for long explorations. */
  readonly optimise: "nothing" | "everything";
  /** Replaces the user's cache directory. */
  readonly cacheDirectory?: string;
}

/** The v86 package is not the one that this program was made for. */
class WrongProcessorError extends Error {
  override readonly name = "WrongProcessorError";
}

export function loadProcessor(options: ProcessorOptions): WasmModule {
  const bytes = patchedBytes(options.cacheDirectory ?? userCacheDirectory());
  return compile(bytes, options.optimise);
}

/** The same code in a module of its own, optimised as V8 sees fit, whatever was loaded before. */
export function reloadOptimised(cacheDirectory: string): WasmModule {
  const bytes = patchedBytes(cacheDirectory);
  // Two modules with the same bytes would be one, and keep what it was compiled with.
  const emptyCustomSection = [0, 2, 1, 0x2e];
  const marked = new Uint8Array(bytes.length + emptyCustomSection.length);
  marked.set(bytes);
  marked.set(emptyCustomSection, bytes.length);
  return compile(marked, "everything");
}

function compile(bytes: Uint8Array, optimise: ProcessorOptions["optimise"]): WasmModule {
  for (const flag of optimise === "nothing" ? BASELINE_ONLY : OPTIMISING) setFlagsFromString(flag);
  // The bytes are known to be good, so each function is looked at when it is first called: most never are.
  setFlagsFromString("--wasm-lazy-validation");
  return new webAssembly.Module(bytes);
}

const BASELINE_ONLY = ["--liftoff-only"];
/** The engine takes the first flag to mean the second too, but not its opposite to mean the opposite. */
const OPTIMISING = ["--no-liftoff-only", "--wasm-dynamic-tiering"];

const CHECKSUM_BYTES = 4;

function patchedBytes(cacheDirectory: string): Uint8Array {
  const path = join(cacheDirectory, `processor-${EXPECTED_SHA256.slice(0, 16)}-${PATCH_VERSION}.wasm`);
  const cached = readCached(path);
  if (cached !== null) return cached;
  const patched = patchProcessor(originalBytes());
  writeCached(path, patched);
  return patched;
}

function originalBytes(): Uint8Array {
  // Modules of Node's that only the first run on a machine needs.
  const { createRequire } = process.getBuiltinModule("node:module");
  const { createHash } = process.getBuiltinModule("node:crypto");
  const path = join(dirname(createRequire(import.meta.url).resolve("v86")), "v86.wasm");
  const bytes = readFileSync(path);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== EXPECTED_SHA256) {
    throw new WrongProcessorError(
      `${path} is not the file of v86 0.5.462: its SHA-256 is ${found}, not ${EXPECTED_SHA256}`,
    );
  }
  return bytes;
}

/** The cached module, or null if there is none or it is damaged. */
function readCached(path: string): Uint8Array | null {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch {
    return null;
  }
  if (file.length <= CHECKSUM_BYTES) return null;
  const bytes = file.subarray(0, -CHECKSUM_BYTES);
  return crc32(bytes) === file.readUInt32LE(bytes.length) ? bytes : null;
}

/** Best effort: a cache that cannot be written costs time, not correctness. */
function writeCached(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(bytes));
  const written = succeeds(() => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, Buffer.concat([bytes, checksum]));
    renameSync(temporary, path);
  });
  if (!written) succeeds(() => rmSync(temporary, { force: true }));
}

function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

function userCacheDirectory(): string {
  const configured = process.env["XDG_CACHE_HOME"];
  const base = configured === undefined || configured === "" ? join(homedir(), ".cache") : configured;
  return join(base, "rundown");
}
