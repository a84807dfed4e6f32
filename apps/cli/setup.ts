/**
 * `rundown setup`: fetches Wine's 32-bit DLLs, which real Win32 programs need, into the user's cache folder.
 *
 * The finished folder appears whole or not at all: everything is made in a work folder beside it, checked against pinned
 * digests, and moved into place by one rename. Whatever happens, the work folder is removed; one that a killed process
 * left is removed by the next set-up. A set-up that finds a sound folder does nothing.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { downloadPackage, locatePackage, prepareApt } from "./setup-apt.ts";
import type { AptClient } from "./setup-apt.ts";
import type { Manifest, ManifestFile, Problem } from "./setup-directory.ts";
import {
  MANIFEST_FORMAT,
  MANIFEST_NAME,
  NATIVE_ADVICE,
  OWN_COPY_ADVICE,
  cacheRoot,
  cachedWindowsDirectory,
  identityOf,
  quickDamage,
  readManifest,
} from "./setup-directory.ts";
import type { WindowsPackage } from "./setup-package.ts";
import { LIBWINE } from "./setup-package.ts";
import type { Environment } from "./setup-process.ts";
import { findTool, pipeTools } from "./setup-process.ts";
import type { Progress } from "./setup-progress.ts";
import { stripImage } from "./setup-strip.ts";

export { createProgress, silentProgress } from "./setup-progress.ts";

export interface SetupOptions {
  readonly environment: Environment;
  readonly progress: Progress;
  /** Ends the set-up early, as Ctrl-C does. */
  readonly signal: AbortSignal;
  /** Fetch again even if a sound folder is there. */
  readonly force?: boolean;
  readonly package?: WindowsPackage;
}

export interface SetupDone {
  readonly ok: true;
  readonly dir: string;
  /** False when a sound folder was there already. */
  readonly fetched: boolean;
  readonly identity: string;
  readonly bytes: number;
}

const TOOLS: readonly string[] = ["apt-get", "apt-cache", "dpkg-deb", "tar"];
const WORK_PREFIX = ".setup-";

/** Makes sure that the Windows DLLs are in the cache folder. */
export async function setUpWindows(options: SetupOptions): Promise<SetupDone | Problem> {
  const source = options.package ?? LIBWINE;
  const dir = cachedWindowsDirectory(options.environment, source);
  const present = soundFolder(dir, source);
  if (present !== null && options.force !== true) return { ...present, fetched: false };
  const absent = TOOLS.filter((tool) => findTool(tool, options.environment) === null);
  if (absent.length > 0) return noPackageClient(absent, dir);
  const root = cacheRoot(options.environment);
  let work: string | null = null;
  try {
    mkdirSync(root, { recursive: true });
    removeAbandonedWork(root);
    work = mkdtempSync(join(root, `${WORK_PREFIX}${process.pid}-`));
    const result = await fetchInto(work, dir, source, options);
    return options.signal.aborted && !result.ok ? interrupted() : result;
  } catch (error) {
    return options.signal.aborted ? interrupted() : fileProblem(error, root);
  } finally {
    if (work !== null) rmSync(work, { recursive: true, force: true });
    options.progress.end();
  }
}

async function fetchInto(
  work: string,
  dir: string,
  source: WindowsPackage,
  options: SetupOptions,
): Promise<SetupDone | Problem> {
  const { environment, progress, signal } = options;
  const client: AptClient = { directory: join(work, "apt"), environment, progress, signal };
  prepareApt(client, source);
  progress.step("Reading the package index");
  const located = await locatePackage(client, source);
  if (!located.ok) return located;
  if (located.entry.sha256 !== source.sha256 || located.entry.bytes !== source.bytes)
    return wrongContent("index", source);
  progress.step(`Downloading Wine's 32-bit DLLs (${source.name} ${source.version}, ${megabytes(source.bytes)})`);
  const download = await downloadPackage(client, located.configuration, source);
  if (!download.ok) return download;
  progress.step("Checking the package");
  if ((await hashLargeFile(download.path)) !== source.sha256) return wrongContent("file", source);
  progress.step("Unpacking");
  const unpacked = join(work, "unpacked");
  const problem = await unpack(download.path, unpacked, source, options);
  if (problem !== null) return problem;
  const stage = join(work, basename(dir));
  const manifest = stageFiles(unpacked, stage, source);
  if (source.identity !== null && manifest.identity !== source.identity) return wrongContent("result", source);
  if (signal.aborted) return interrupted();
  return moveIntoPlace(stage, dir, source, work);
}

/** Takes only the listed files out of the package. */
async function unpack(
  packagePath: string,
  into: string,
  source: WindowsPackage,
  options: SetupOptions,
): Promise<Problem | null> {
  mkdirSync(into, { recursive: true });
  const common = { directory: into, environment: options.environment, signal: options.signal };
  const members = source.files.map((file) => file.member);
  const result = await pipeTools(
    { ...common, tool: "dpkg-deb", arguments: ["--fsys-tarfile", packagePath] },
    { ...common, tool: "tar", arguments: ["-x", "-f", "-", "--no-same-owner", "--", ...members] },
  );
  if (result.code === 0 && source.files.every((file) => existsSync(join(into, file.member)))) return null;
  if (/No space left on device/i.test(result.stderr)) return fileProblem({ code: "ENOSPC" }, into);
  return { ok: false, reason: "unpack", message: "The package could not be unpacked.", advice: OWN_COPY_ADVICE };
}

/** Writes the files in their final layout, without debugging data, and the manifest that describes them. */
function stageFiles(unpacked: string, stage: string, source: WindowsPackage): Manifest {
  const files: ManifestFile[] = [];
  for (const file of source.files) {
    const original = readFileSync(join(unpacked, file.member));
    const content = file.image ? stripImage(original) : original;
    const path = join(stage, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    files.push({ path: file.path, bytes: content.length, sha256: sha256Of(content) });
  }
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    package: `${source.name}:${source.architecture}`,
    version: source.version,
    packageSha256: source.sha256,
    identity: identityOf(files),
    files,
  };
  writeFileSync(join(stage, MANIFEST_NAME), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** One rename makes the folder appear. Another set-up may have been faster: a sound folder of its making is as good. */
function moveIntoPlace(stage: string, dir: string, source: WindowsPackage, work: string): SetupDone | Problem {
  if (existsSync(dir)) renameSync(dir, join(work, "replaced"));
  try {
    renameSync(stage, dir);
  } catch (error) {
    const other = soundFolder(dir, source);
    return other !== null ? { ...other, fetched: true } : fileProblem(error, dirname(dir));
  }
  const done = soundFolder(dir, source);
  return done !== null ? { ...done, fetched: true } : fileProblem(null, dirname(dir));
}

function soundFolder(dir: string, source: WindowsPackage): Omit<SetupDone, "fetched"> | null {
  const manifest = readManifest(dir);
  if (manifest === null || quickDamage(dir, manifest, source) !== null) return null;
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  return { ok: true, dir, identity: manifest.identity, bytes };
}

/** A process that was killed outright could not remove its work folder; its name tells whether it still lives. */
function removeAbandonedWork(root: string): void {
  for (const name of readdirSync(root)) {
    const owner = /^\.setup-([0-9]+)-/.exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

async function hashLargeFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function noPackageClient(absent: readonly string[], dir: string): Problem {
  return {
    ok: false,
    reason: "no-package-client",
    message: `This machine cannot fetch the DLLs by itself: ${absent.join(", ")} not found (set-up uses Debian's package client).`,
    advice: [
      `Run \`rundown setup\` on a Debian machine or in a Debian container, and copy its folder ${basename(dir)} to ${dir}.`,
      ...OWN_COPY_ADVICE,
      NATIVE_ADVICE,
    ],
  };
}

function wrongContent(what: "index" | "file" | "result", source: WindowsPackage): Problem {
  const subject = {
    index: "The package index describes other content",
    file: "The downloaded package has other content",
    result: "The unpacked files have other content",
  }[what];
  return {
    ok: false,
    reason: "wrong-content",
    message: `${subject} than ${source.name} ${source.version} had when this version of Rundown was made; nothing was installed.`,
    advice: ["Run `rundown setup` again; if it says the same, report it as a defect of Rundown.", ...OWN_COPY_ADVICE],
  };
}

function interrupted(): Problem {
  return { ok: false, reason: "interrupted", message: "Set-up was interrupted; nothing was left behind.", advice: [] };
}

function fileProblem(error: unknown, folder: string): Problem {
  const code = errorCode(error);
  const what =
    code === "ENOSPC" ? "the disk is full" : code === "EROFS" ? "it is read-only" : (code ?? "unknown error");
  return {
    ok: false,
    reason: code === "ENOSPC" ? "disk" : "cache-folder",
    message: `The cache folder ${folder} cannot be used: ${what}.`,
    advice: ["Set RUNDOWN_CACHE_DIR to a folder that you may write to, with about 200 MB free.", ...OWN_COPY_ADVICE],
  };
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Runs `work` with a signal that Ctrl-C (or a polite kill) aborts, and takes the handlers away again. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, abort);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signals) process.off(name, abort);
  }
}
