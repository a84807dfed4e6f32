/**
 * Directories of the host for guests. Nothing outside the mounted directory is ever touched: every path is resolved to
 * what it really is, symbolic links included, immediately before it is used, and refused if that lies elsewhere.
 *
 * The confinement holds against the guest, which cannot make links; somebody who rearranges the directory on the host
 * while a guest runs can win the race between the check and the use, but could read those files anyway.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  lstatSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { HostDirectory, HostEntry, HostOutcome } from "../../src/io/hostdirectory.ts";

/** Names that mean devices on a Windows host, with any extension. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/iu;

export interface HostFilesOptions {
  readonly readOnly: boolean;
}

/** Opens `path` of the host for guests. @throws if it is no directory */
export function openHostDirectory(path: string, options: HostFilesOptions): HostDirectory {
  const root = realpathSync(path);
  if (!statSync(root).isDirectory()) throw new Error(`${path} is not a directory`);
  return new ConfinedDirectory(root, options.readOnly);
}

class ConfinedDirectory implements HostDirectory {
  readonly #root: string;
  readonly #readOnly: boolean;

  constructor(root: string, readOnly: boolean) {
    this.#root = root;
    this.#readOnly = readOnly;
  }

  list(path: string): readonly HostEntry[] | null {
    return attempt(() => {
      const directory = this.#existing(path);
      if (directory === null) return null;
      const entries = readdirSync(directory, { withFileTypes: true });
      // By code unit, so that the order does not depend on the host's language.
      entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      return entries.flatMap((entry) => this.#describe(path, directory, entry));
    }, null);
  }

  read(path: string, offset: number, length: number): Uint8Array | null {
    return attempt(() => {
      const file = this.#existing(path);
      if (file === null) return null;
      return withFile(file, constants.O_RDONLY, (descriptor) => {
        const buffer = new Uint8Array(Math.max(0, Math.min(length, fstatSync(descriptor).size - offset)));
        let done = 0;
        while (done < buffer.length) {
          const count = readSync(descriptor, buffer, done, buffer.length - done, offset + done);
          if (count === 0) break;
          done += count;
        }
        return buffer.subarray(0, done);
      });
    }, null);
  }

  write(path: string, offset: number, bytes: Uint8Array): HostOutcome {
    return this.#change(() => {
      const file = this.#existing(path);
      if (file === null) return "denied";
      withFile(file, constants.O_WRONLY, (descriptor) => {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
        }
      });
      return "done";
    });
  }

  setLength(path: string, length: number): HostOutcome {
    return this.#change(() => {
      const file = this.#existing(path);
      if (file === null) return "denied";
      withFile(file, constants.O_WRONLY, (descriptor) => {
        ftruncateSync(descriptor, length);
      });
      return "done";
    });
  }

  create(path: string, kind: "file" | "directory"): HostOutcome {
    return this.#change(() => {
      const target = this.#place(path);
      if (target === null) return "denied";
      if (kind === "directory") mkdirSync(target);
      else closeSync(openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666));
      return "done";
    });
  }

  remove(path: string): HostOutcome {
    return this.#change(() => {
      const target = this.#place(path);
      if (target === null) return "denied";
      // Not followed: removing a link removes the link.
      if (lstatSync(target).isDirectory()) rmdirSync(target);
      else unlinkSync(target);
      return "done";
    });
  }

  rename(from: string, to: string): HostOutcome {
    return this.#change(() => {
      const source = this.#place(from);
      const target = this.#place(to);
      if (source === null || target === null) return "denied";
      // A new spelling of the same name is the same file where case does not count.
      if (source.toLowerCase() !== target.toLowerCase() && exists(target)) return "exists";
      renameSync(source, target);
      return "done";
    });
  }

  #change(act: () => HostOutcome): HostOutcome {
    if (this.#readOnly) return "denied";
    try {
      return act();
    } catch (error) {
      return outcomeOf(error);
    }
  }

  /** Links are described as what they lead to; what leads outside, or is neither file nor directory, is left out. */
  #describe(path: string, directory: string, entry: Dirent): HostEntry[] {
    const { name } = entry;
    if (!isPlainName(name)) return [];
    const status = attempt<Stats | null>(() => {
      const place = join(directory, name);
      if (!entry.isSymbolicLink()) return statSync(place);
      const target = this.#existing(path === "" ? name : `${path}/${name}`);
      return target === null ? null : statSync(target);
    }, null);
    if (status === null) return [];
    if (status.isDirectory()) return [{ name, kind: "directory", size: 0 }];
    return status.isFile() ? [{ name, kind: "file", size: status.size }] : [];
  }

  /** What `path` really is, or null if that lies outside. @throws if it does not exist */
  #existing(path: string): string | null {
    const wanted = this.#join(path);
    if (wanted === null) return null;
    const real = realpathSync(wanted);
    return this.#contains(real) ? real : null;
  }

  /** Where the last component of `path` is or would be, or null if that lies outside. It is not followed itself. */
  #place(path: string): string | null {
    const wanted = this.#join(path);
    if (wanted === null || wanted === this.#root) return null;
    const parent = realpathSync(dirname(wanted));
    return this.#contains(parent) ? join(parent, basename(wanted)) : null;
  }

  #join(path: string): string | null {
    const parts = path === "" ? [] : path.split("/");
    return parts.every(isPlainName) ? resolve(this.#root, ...parts) : null;
  }

  #contains(real: string): boolean {
    const inside = relative(this.#root, real);
    return inside === "" || !(inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside));
  }
}

/** Whether a name is just the name of something in a directory, on any host. */
function isPlainName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || /[/\\\0]/u.test(name)) return false;
  if (process.platform !== "win32") return true;
  // What the host would take for a stream, a device or another spelling of some other name.
  return !name.includes(":") && !/[. ]$/u.test(name) && !DEVICE_NAME.test(name);
}

/** Only a regular file is opened, and never waited for: a pipe in its place would hang the machine. */
function withFile<T>(path: string, flags: number, use: (descriptor: number) => T): T {
  // O_NOFOLLOW and O_NONBLOCK are missing on some hosts.
  const extra =
    ((constants.O_NOFOLLOW as number | undefined) ?? 0) | ((constants.O_NONBLOCK as number | undefined) ?? 0);
  const descriptor = openSync(path, flags | extra);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${path} is not a regular file`);
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function exists(path: string): boolean {
  return attempt(() => {
    lstatSync(path);
    return true;
  }, false);
}

function attempt<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch {
    return otherwise;
  }
}

const OUTCOMES: ReadonlyMap<string, HostOutcome> = new Map<string, HostOutcome>([
  ["EACCES", "denied"],
  ["EPERM", "denied"],
  ["EROFS", "denied"],
  ["ELOOP", "denied"],
  ["EEXIST", "exists"],
  ["ENOENT", "missing"],
  ["ENOTDIR", "missing"],
  ["ENOTEMPTY", "not-empty"],
  ["ENOSPC", "full"],
  ["EDQUOT", "full"],
  ["EFBIG", "full"],
]);

function outcomeOf(error: unknown): HostOutcome {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return OUTCOMES.get(code) ?? "failed";
}
