/**
 * Builds every sample program: `samples/*.c` for Win32 with the C library, `samples/native/*.c` for ntdll alone. Likewise the
 * programs that the benchmarks run, in `bench/programs`.
 *
 *   node tools/build-samples.mjs           writes the .exe beside each .c
 *   node tools/build-samples.mjs --check   builds elsewhere and exits 1 naming each committed .exe that differs
 *
 * A build is a function of the sources and the compiler: no timestamps, a fixed image base, no debugging data. Another
 * version of the compiler makes other bytes, so `--check` compares only with the version that made what is committed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const COMPILER = "i686-w64-mingw32-gcc";
/** Debian 12's gcc-mingw-w64-i686-win32 and binutils-mingw-w64-i686. */
const COMPILER_VERSION = "12-win32";
const LINKER_VERSION = "2.40";
const LARGEST_BYTES = 20 * 1024;

const COMMON = [
  ...["-std=gnu11", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-fno-asynchronous-unwind-tables", "-fno-ident"],
  ...["-Wl,--no-insert-timestamp", "-Wl,--disable-dynamicbase", "-Wl,--image-base,0x400000"],
  ...["-Wl,--subsystem,console"],
];
const NATIVE = ["-ffreestanding", "-nostdlib", "-Wl,-e,_start@4"];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const samples = join(root, "samples");
/** Folders of Win32 programs; `native` in each holds the native ones. */
const FOLDERS = [samples, join(root, "bench/programs")];
process.exitCode = main(process.argv.slice(2));

function main(options) {
  const check = options.includes("--check");
  if (options.some((option) => option !== "--check")) {
    console.error("usage: node tools/build-samples.mjs [--check]");
    return 2;
  }
  const version = compilerVersion();
  if (version === null) {
    console.error(`${COMPILER} is not installed (Debian: gcc-mingw-w64-i686): the samples are not rebuilt.`);
    return check ? 0 : 1;
  }
  const pinned = `${COMPILER_VERSION}, linker ${LINKER_VERSION}`;
  if (check && version !== pinned) {
    console.error(`The samples were built with ${COMPILER} ${pinned}; this is ${version}: nothing to compare.`);
    return 0;
  }
  const work = mkdtempSync(join(check ? tmpdir() : samples, ".build-"));
  try {
    return buildAll(work, check);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The versions of compiler and linker, or null when there is no compiler. */
function compilerVersion() {
  const compiler = spawnSync(COMPILER, ["-dumpversion"], { encoding: "utf8" });
  if (compiler.error !== undefined || compiler.status !== 0) return null;
  const linker = spawnSync(COMPILER, ["-Wl,--version"], { encoding: "utf8" });
  const linkerVersion = /^GNU ld .*?([0-9]+\.[0-9]+)/.exec(linker.stdout ?? "")?.[1] ?? "unknown";
  return `${compiler.stdout.trim()}, linker ${linkerVersion}`;
}

function buildAll(work, check) {
  const failed = [];
  const differing = [];
  const sources = FOLDERS.flatMap((folder) => [
    ...sourcesIn(folder, false),
    ...sourcesIn(join(folder, "native"), true),
  ]);
  for (const source of sources) {
    const built = join(work, "sample.exe");
    const target = join(source.folder, `${source.name}.exe`);
    if (!build(source, built)) failed.push(target);
    else if (!check) renameSync(built, target);
    else if (!existsSync(target) || !readFileSync(target).equals(readFileSync(built))) differing.push(target);
  }
  for (const name of failed) console.error(`not built: ${name}`);
  for (const name of differing) console.error(`differs from what its source makes: ${name}`);
  if (failed.length + differing.length > 0) return 1;
  console.log(`${sources.length} samples ${check ? "match their sources" : "built"}.`);
  return 0;
}

function sourcesIn(folder, native) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".c"));
  return names.sort().map((name) => ({ folder, native, name: name.slice(0, -2) }));
}

function build({ folder, native, name }, output) {
  const flags = native ? [...COMMON, ...NATIVE] : COMMON;
  const libraries = native ? ["-lntdll"] : [];
  const options = { cwd: folder, stdio: "inherit", env: { ...process.env, LC_ALL: "C" } };
  const result = spawnSync(COMPILER, [...flags, `${name}.c`, "-o", output, ...libraries], options);
  if (result.status !== 0) return false;
  const { size } = statSync(output);
  if (size > LARGEST_BYTES) console.error(`${name}.exe has ${size} bytes, more than ${LARGEST_BYTES}`);
  return size <= LARGEST_BYTES;
}
