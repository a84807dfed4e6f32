/** What memory management and the loader need of an open file: its bytes, and a name for them. */
import { STATUS_SUCCESS } from "../abi/status.ts";
import type { FileObject } from "./file.ts";
import { FixedContent } from "./content.ts";
import { FsFile } from "./node.ts";

/** A file's bytes for mapping. */
export interface FileBytes {
  /** The same for every open of the file until its bytes change. */
  readonly identity: string;
  readonly length: number;
  /** @returns how many bytes were read; fewer than the target holds only at the end */
  read(offset: number, target: Uint8Array): number;
  /** @returns whether the bytes were written */
  write(offset: number, bytes: Uint8Array): boolean;
}

/** The bytes behind an open file, or null if it is no file. */
export function IoGetFileBytes(file: FileObject): FileBytes | null {
  const { node } = file;
  if (!(node instanceof FsFile)) return null;
  const { content } = node;
  return {
    identity: node.identity,
    get length() {
      return content.length;
    },
    read: (offset, target) => content.read(offset, target),
    write: (offset, bytes) => content.write(offset, bytes) === STATUS_SUCCESS,
  };
}

/** The whole file at once, for a parser. The caller must not change the bytes. */
export function IoReadWholeFile(file: FileObject): Uint8Array | null {
  const { node } = file;
  if (!(node instanceof FsFile)) return null;
  if (node.content instanceof FixedContent) return node.content.bytes;
  const bytes = new Uint8Array(node.content.length);
  const count = node.content.read(0, bytes);
  return count === bytes.length ? bytes : bytes.subarray(0, count);
}
