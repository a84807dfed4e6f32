/**
 * What a host must offer so that one of its directories can be mounted. Everything is synchronous. Paths are relative to
 * the mounted directory, with `/` between components and no leading one; the empty path is the directory itself. The
 * host confines them: whatever a path says, nothing outside the mounted directory is touched.
 */

export interface HostEntry {
  readonly name: string;
  readonly kind: "file" | "directory";
  /** Bytes; 0 for directories. */
  readonly size: number;
}

/** How a change went. */
export type HostOutcome = "done" | "denied" | "exists" | "missing" | "not-empty" | "full" | "failed";

export interface HostDirectory {
  /** The directory's entries sorted by name, or null if it cannot be read. Special files are left out. */
  list(path: string): readonly HostEntry[] | null;
  /** Up to `length` bytes from `offset`, fewer only at the end of the file; null if it cannot be read. */
  read(path: string, offset: number, length: number): Uint8Array | null;
  /** Writes at `offset` of an existing file, which grows as needed. */
  write(path: string, offset: number, bytes: Uint8Array): HostOutcome;
  /** Cuts the file or extends it with zeros. */
  setLength(path: string, length: number): HostOutcome;
  /** Creates an empty file or directory that must not exist yet. */
  create(path: string, kind: "file" | "directory"): HostOutcome;
  /** Removes a file or an empty directory. */
  remove(path: string): HostOutcome;
  /** Renames; the target must not exist. */
  rename(from: string, to: string): HostOutcome;
}
