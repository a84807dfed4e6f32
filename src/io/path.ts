/**
 * Paths inside a volume. NT paths are literal: `.` and `..` name nothing, so no path leads out of its volume or mount.
 */
import {
  failure,
  type NtResult,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_PATH_NOT_FOUND,
  success,
} from "../abi/status.ts";
import { isValidComponent } from "./name.ts";
import { FsDirectory, type FsNode } from "./node.ts";

/** Characters of a path inside a volume; `UNICODE_STRING` holds no more. */
const MAXIMUM_PATH_LENGTH = 32_767;

/** A path cut at its backslashes. */
export interface SplitPath {
  readonly components: readonly string[];
  /** Whether it ends in a backslash, which only a directory's may. */
  readonly trailing: boolean;
}

/**
 * Cuts a path, which is empty or begins with a backslash, and checks its names.
 * @returns OBJECT_NAME_INVALID for names that no file has (streams, wildcards, `..`)
 */
export function splitPath(path: string): NtResult<SplitPath> {
  if (path.length > MAXIMUM_PATH_LENGTH) return failure(STATUS_OBJECT_NAME_INVALID);
  if (path === "" || path === "\\") return success({ components: [], trailing: path !== "" });
  const trailing = path.endsWith("\\");
  const components = path.slice(1, trailing ? -1 : undefined).split("\\");
  for (const component of components) if (!isValidComponent(component)) return failure(STATUS_OBJECT_NAME_INVALID);
  return success({ components, trailing });
}

/** Where a path ends. */
export interface PathTarget {
  /** The directory that holds or would hold the last component; null if the path is that of `start` itself. */
  readonly directory: FsDirectory | null;
  readonly name: string;
  readonly node: FsNode | null;
}

/**
 * Walks to the last component, which need not exist.
 * @returns OBJECT_PATH_NOT_FOUND if a component before it is missing or no directory
 */
export function walkPath(start: FsNode, components: readonly string[]): NtResult<PathTarget> {
  let node: FsNode = start;
  const last = components.length - 1;
  if (last < 0) return success({ directory: null, name: "", node });
  for (const component of components.slice(0, last)) {
    const child = node instanceof FsDirectory ? node.get(component) : null;
    if (child === null) return failure(STATUS_OBJECT_PATH_NOT_FOUND);
    node = child;
  }
  const name = components[last] ?? "";
  if (!(node instanceof FsDirectory)) return failure(STATUS_OBJECT_PATH_NOT_FOUND);
  return success({ directory: node, name, node: node.get(name) });
}
