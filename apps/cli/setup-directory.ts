/**
 * Finds and checks the folder of Windows DLLs: the user's own, or the one that `rundown setup` keeps in the cache.
 *
 * A folder that the user names is used or refused, never silently replaced by another. A folder in the cache carries a
 * manifest; a run compares sizes with it, which costs one `stat` a file, and `rundown doctor` compares every byte.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { WindowsPackage } from "./setup-package.ts";
import { LIBWINE, REQUIRED_IMAGES, REQUIRED_TABLES } from "./setup-package.ts";
import type { Environment } from "./setup-process.ts";

export const MANIFEST_FORMAT = "rundown.windows/1";
export const MANIFEST_NAME = "manifest.json";

export interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  readonly package: string;
  readonly version: string;
  readonly packageSha256: string;
  readonly identity: string;
  readonly files: readonly ManifestFile[];
}

/** Something that keeps us from going on: one sentence that says what, and what the user can do about it. */
export interface Problem {
  readonly ok: false;
  readonly reason: string;
  readonly message: string;
  readonly advice: readonly string[];
}

export interface WindowsDirectory {
  readonly ok: true;
  readonly dir: string;
  /** Where the NLS tables are; a subfolder in our own layout, elsewhere in Wine's. */
  readonly nlsDir: string;
  readonly source: "option" | "environment" | "cache";
  /** Digest of all files, when the folder came from `rundown setup`. */
  readonly identity: string | null;
}

export interface FindOptions {
  /** The value of `--windows-dir`. */
  readonly windowsDir?: string | undefined;
  readonly environment: Environment;
  readonly package?: WindowsPackage;
}

export const OWN_COPY_ADVICE: readonly string[] = [
  "Or name a folder of 32-bit Windows DLLs with --windows-dir DIR or RUNDOWN_WINDOWS_DIR: Wine's i386-windows folder, or a copy of what `rundown setup` makes on a Debian machine or in a Debian container.",
];

/** Programs that import only ntdll need none of this. */
export const NATIVE_ADVICE = "Programs that import only ntdll.dll run without it, on the built-in ntdll.";

/** The user's cache folder for Rundown. */
export function cacheRoot(environment: Environment): string {
  const own = environment["RUNDOWN_CACHE_DIR"];
  if (own !== undefined && own !== "") return resolve(own);
  const shared = environment["XDG_CACHE_HOME"];
  if (shared !== undefined && shared !== "") return resolve(shared, "rundown");
  const home = environment["HOME"];
  return resolve(home !== undefined && home !== "" ? home : homedir(), ".cache", "rundown");
}

/** Where set-up puts the DLLs of `source`. */
export function cachedWindowsDirectory(environment: Environment, source: WindowsPackage = LIBWINE): string {
  return join(cacheRoot(environment), `windows-${source.version}`);
}

/** The folder of DLLs to run with: `--windows-dir`, then RUNDOWN_WINDOWS_DIR, then the cache. */
export function findWindowsDirectory(options: FindOptions): WindowsDirectory | Problem {
  if (options.windowsDir !== undefined) return ownDirectory(options.windowsDir, "option", "--windows-dir");
  const named = options.environment["RUNDOWN_WINDOWS_DIR"];
  if (named !== undefined && named !== "") return ownDirectory(named, "environment", "RUNDOWN_WINDOWS_DIR");
  const source = options.package ?? LIBWINE;
  const dir = cachedWindowsDirectory(options.environment, source);
  const manifest = readManifest(dir);
  if (manifest === null) return missing("The Windows DLLs are not there yet.", dir);
  const damage = quickDamage(dir, manifest, source);
  if (damage !== null) return missing(`The Windows DLLs in ${dir} are damaged: ${damage}.`, dir);
  return { ok: true, dir, nlsDir: join(dir, "nls"), source: "cache", identity: manifest.identity };
}

function missing(message: string, dir: string): Problem {
  const advice = [`Fetch them with: rundown setup (into ${dir})`, ...OWN_COPY_ADVICE, NATIVE_ADVICE];
  return { ok: false, reason: "windows-dlls-missing", message, advice };
}

function ownDirectory(named: string, source: "option" | "environment", name: string): WindowsDirectory | Problem {
  const dir = resolve(named);
  const refuse = (message: string): Problem => ({
    ok: false,
    reason: "windows-dir-unusable",
    message: `${name} names ${dir}, but ${message}.`,
    advice: OWN_COPY_ADVICE,
  });
  if (fileSize(dir, "") === null && !isFolder(dir)) return refuse("there is no such folder");
  for (const image of REQUIRED_IMAGES) {
    if (fileSize(dir, image) === null) return refuse(`it holds no ${image}`);
    if (readMachine(join(dir, image)) !== MACHINE_I386) return refuse(`its ${image} is not a 32-bit x86 image`);
  }
  const nlsDir = findTables(dir);
  if (nlsDir === null) return refuse(`it holds no NLS files (${REQUIRED_TABLES.join(", ")}) in a folder nls`);
  return { ok: true, dir, nlsDir, source, identity: readManifest(dir)?.identity ?? null };
}

/** Our layout has `nls/`; a flat copy has the tables beside the DLLs; Wine installs them under `share/wine/nls`. */
function findTables(dir: string): string | null {
  const shared = join("share", "wine", "nls");
  const candidates = [
    join(dir, "nls"),
    dir,
    resolve(dir, "..", "..", "..", shared),
    resolve(dir, "..", "..", "..", "..", shared),
  ];
  return candidates.find((folder) => REQUIRED_TABLES.every((table) => fileSize(folder, table) !== null)) ?? null;
}

/** The manifest of a folder made by set-up; null when there is none, or one that this version does not read. */
export function readManifest(dir: string): Manifest | null {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dir, MANIFEST_NAME), "utf8"));
    return isManifest(value) ? value : null;
  } catch {
    return null;
  }
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const texts = ["package", "version", "packageSha256", "identity"];
  if (fields["format"] !== MANIFEST_FORMAT || !Array.isArray(fields["files"])) return false;
  return texts.every((name) => typeof fields[name] === "string") && fields["files"].every(isManifestFile);
}

function isManifestFile(value: unknown): value is ManifestFile {
  if (typeof value !== "object" || value === null) return false;
  const file = value as Record<string, unknown>;
  if (typeof file["path"] !== "string" || typeof file["bytes"] !== "number") return false;
  return typeof file["sha256"] === "string" && /^[a-z0-9_./-]+$/.test(file["path"]) && !file["path"].includes("..");
}

/** The digest that stands for a whole folder: over the sorted lines `sha256 bytes path`. */
export function identityOf(files: readonly ManifestFile[]): string {
  const lines = files.map((file) => `${file.sha256} ${file.bytes} ${file.path}\n`);
  return sha256(lines.sort().join(""));
}

/** What is wrong with a folder as far as sizes tell, or null. */
export function quickDamage(dir: string, manifest: Manifest, source: WindowsPackage): string | null {
  if (manifest.packageSha256 !== source.sha256) return "they come from another package";
  if (source.identity !== null && manifest.identity !== source.identity) return "they were made by another version";
  for (const wanted of source.files) {
    if (!manifest.files.some((file) => file.path === wanted.path)) return `${wanted.path} is not listed`;
  }
  for (const file of manifest.files) {
    const bytes = fileSize(dir, file.path);
    if (bytes === null) return `${file.path} is missing`;
    if (bytes !== file.bytes) return `${file.path} has ${bytes} bytes, not ${file.bytes}`;
  }
  return null;
}

/** What is wrong with a folder when every byte is compared, or null. */
export function fullDamage(dir: string, manifest: Manifest, source: WindowsPackage): string | null {
  const quick = quickDamage(dir, manifest, source);
  if (quick !== null) return quick;
  if (identityOf(manifest.files) !== manifest.identity) return "the manifest does not match itself";
  for (const file of manifest.files) {
    if (hashFile(join(dir, file.path)) !== file.sha256) return `${file.path} has other content than it was made with`;
  }
  return null;
}

function hashFile(path: string): string | null {
  try {
    return sha256(readFileSync(path));
  } catch {
    return null;
  }
}

/** A run that only looks at sizes does not pay for the loading of this. */
function sha256(content: string | Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(content).digest("hex");
}

function fileSize(dir: string, path: string): number | null {
  const found = statSync(join(dir, path), { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : null;
}

function isFolder(dir: string): boolean {
  return statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true;
}

const MACHINE_I386 = 0x14c;

/** The machine field of a PE image, or 0. */
function readMachine(path: string): number {
  const bytes = new Uint8Array(4096);
  const file = openSync(path, "r");
  const read = readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  const view = new DataView(bytes.buffer, 0, read);
  if (read < 64 || view.getUint16(0, true) !== 0x5a4d) return 0;
  const signature = view.getUint32(0x3c, true);
  if (signature + 6 > read || view.getUint32(signature, true) !== 0x4550) return 0;
  return view.getUint16(signature + 4, true);
}
