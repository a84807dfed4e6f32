/**
 * Volumes and the changes that a file system makes to its tree: create, remove, rename. A change reaches the host first,
 * and the tree only if the host did it.
 *
 * Invariant: `nodes` counts the nodes that are in the tree or still open, and never exceeds the limit.
 */
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_CANNOT_DELETE,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SETTABLE } from "./constants.ts";
import { type ByteAccount, chargeBytes, hostStatus, MemoryContent } from "./content.ts";
import { FsDirectory, FsFile, type FsNode, type HostMount, hostPathOf, isInside, type NodeInit } from "./node.ts";
import {
  STATUS_DELETE_PENDING,
  STATUS_DIRECTORY_NOT_EMPTY,
  STATUS_DISK_FULL,
  STATUS_MEDIA_WRITE_PROTECTED,
  STATUS_NOT_SAME_DEVICE,
} from "./status.ts";

/** Directories may be nested this deep; more cannot be named anyway. */
const MAXIMUM_DEPTH = 1024;

export class Volume implements ByteAccount {
  /** Its number in `\Device\HarddiskVolume`, from 1. */
  readonly number: number;
  readonly label: string;
  readonly serial: number;
  readonly creationTime: bigint;
  readonly root: FsDirectory;
  readonly bytesLimit: number;
  readonly nodesLimit: number;
  bytesUsed = 0;
  #nodes = 0;
  #lastFileId = 4;

  constructor(init: {
    readonly number: number;
    readonly label: string;
    readonly time: bigint;
    readonly bytesLimit: number;
    readonly nodesLimit: number;
  }) {
    this.number = init.number;
    this.label = init.label;
    this.serial = (0x52_4e_44_30 + init.number) >>> 0;
    this.creationTime = init.time;
    this.bytesLimit = init.bytesLimit;
    this.nodesLimit = init.nodesLimit;
    this.root = new FsDirectory({ volume: this, name: "", parent: null, mount: null, time: init.time });
  }

  nextFileId(): number {
    return ++this.#lastFileId;
  }

  /** Counts one more node. @returns false if the volume has as many as it may have */
  chargeNode(): boolean {
    if (this.#nodes >= this.nodesLimit) return false;
    this.#nodes++;
    return true;
  }

  releaseNode(): void {
    assert(this.#nodes > 0, "a node that goes was counted");
    this.#nodes--;
  }

  get nodes(): number {
    return this.#nodes;
  }
}

/** Whether the tree may be changed below (or at) the node, as far as its mount goes. */
export function mountWritable(mount: HostMount | null): NtStatus {
  return mount !== null && mount.readOnly ? STATUS_MEDIA_WRITE_PROTECTED : STATUS_SUCCESS;
}

/** Creates an empty file or directory, which must not exist yet. */
export function fsCreate(
  k: Kernel,
  directory: FsDirectory,
  name: string,
  options: { readonly kind: "file" | "directory"; readonly attributes: number },
): NtResult<FsNode> {
  const mount = directory.childMount;
  const writable = mountWritable(mount);
  if (writable !== STATUS_SUCCESS) return failure(writable);
  if (directory.deletePending || directory.removed) return failure(STATUS_DELETE_PENDING);
  if (isTooDeep(directory)) return failure(STATUS_OBJECT_NAME_INVALID);
  if (!directory.volume.chargeNode()) return failure(STATUS_DISK_FULL);
  const time = KeQuerySystemTime(k);
  const node = newNode({ volume: directory.volume, name, parent: directory, mount, time }, options.kind);
  const created = mount === null ? STATUS_SUCCESS : hostStatus(mount.directory.create(hostPathOf(node), options.kind));
  if (created !== STATUS_SUCCESS) {
    directory.volume.releaseNode();
    return failure(created);
  }
  const archive = options.kind === "file" ? FILE_ATTRIBUTE_ARCHIVE : 0;
  node.attributes = (options.attributes & FILE_ATTRIBUTE_SETTABLE) | archive;
  directory.add(node);
  touchDirectory(directory, time);
  return success(node);
}

function newNode(init: NodeInit, kind: "file" | "directory"): FsNode {
  if (kind === "directory") return new FsDirectory(init);
  return new FsFile(init, init.mount === null ? new MemoryContent(init.volume) : null);
}

function isTooDeep(directory: FsDirectory): boolean {
  let depth = 0;
  for (let at: FsNode | null = directory; at !== null; at = at.parent) depth++;
  return depth > MAXIMUM_DEPTH;
}

/** Whether a node could be deleted, if nobody but the caller has it open. */
export function fsCheckDelete(node: FsNode): NtStatus {
  if (node.parent === null) return STATUS_CANNOT_DELETE;
  if ((node.attributes & FILE_ATTRIBUTE_READONLY) !== 0) return STATUS_CANNOT_DELETE;
  if (node.protectedNode) return STATUS_ACCESS_DENIED;
  const writable = mountWritable(node.mount);
  if (writable !== STATUS_SUCCESS) return writable;
  if (!(node instanceof FsDirectory)) return STATUS_SUCCESS;
  if (node.isMountPoint) return STATUS_CANNOT_DELETE;
  return node.isEmpty ? STATUS_SUCCESS : STATUS_DIRECTORY_NOT_EMPTY;
}

/** Takes a node out of the tree. Its bytes go with the last open file, see {@link fsReleaseNode}. */
export function fsRemove(k: Kernel, node: FsNode): NtStatus {
  const status = fsCheckDelete(node);
  if (status !== STATUS_SUCCESS) return status;
  if (node.mount !== null) {
    const removed = hostStatus(node.mount.directory.remove(hostPathOf(node)));
    if (removed !== STATUS_SUCCESS) return removed;
  }
  const parent = node.parent;
  assert(parent !== null, "the root of a volume is never removed");
  parent.delete(node);
  node.removed = true;
  touchDirectory(parent, KeQuerySystemTime(k));
  return STATUS_SUCCESS;
}

/** Gives back what a removed node occupied, once nobody can reach it any more. */
export function fsReleaseNode(node: FsNode): void {
  assert(node.removed, "only a removed node is released");
  node.volume.releaseNode();
  if (node instanceof FsFile && node.mount === null) chargeBytes(node.volume, -node.memoryBytes);
}

/** Where a node goes. */
export interface RenameTarget {
  readonly directory: FsDirectory;
  readonly name: string;
  readonly replace: boolean;
}

/** Moves a node inside its volume and mount. */
export function fsRename(k: Kernel, node: FsNode, target: RenameTarget): NtStatus {
  const status = checkRename(node, target);
  if (status !== STATUS_SUCCESS) return status;
  const existing = target.directory.get(target.name);
  if (existing !== null && existing !== node) {
    const removed = replaceTarget(k, existing, target);
    if (removed !== STATUS_SUCCESS) return removed;
  }
  const from = node.parent;
  assert(from !== null, "the root of a volume is never renamed");
  if (node.mount !== null) {
    const oldPath = hostPathOf(node);
    const directoryPath = hostPathOf(target.directory);
    const newPath = directoryPath === "" ? target.name : `${directoryPath}/${target.name}`;
    const renamed = hostStatus(node.mount.directory.rename(oldPath, newPath));
    if (renamed !== STATUS_SUCCESS) return renamed;
  }
  from.delete(node);
  node.name = target.name;
  target.directory.add(node);
  const time = KeQuerySystemTime(k);
  node.times.change = time;
  touchDirectory(from, time);
  touchDirectory(target.directory, time);
  return STATUS_SUCCESS;
}

function checkRename(node: FsNode, { directory }: RenameTarget): NtStatus {
  if (node.parent === null) return STATUS_INVALID_PARAMETER;
  if (node.protectedNode) return STATUS_ACCESS_DENIED;
  if (node.volume !== directory.volume || node.mount !== directory.childMount) return STATUS_NOT_SAME_DEVICE;
  if (node instanceof FsDirectory && node.isMountPoint) return STATUS_ACCESS_DENIED;
  if (directory.deletePending || directory.removed) return STATUS_DELETE_PENDING;
  if (isTooDeep(directory)) return STATUS_OBJECT_NAME_INVALID;
  if (isInside(directory, node)) return STATUS_INVALID_PARAMETER;
  return mountWritable(node.mount);
}

/** Makes room for a rename: an open, protected or directory target cannot be replaced. */
function replaceTarget(k: Kernel, existing: FsNode, { replace }: RenameTarget): NtStatus {
  if (!replace) return STATUS_OBJECT_NAME_COLLISION;
  if (existing instanceof FsDirectory || existing.openCount > 0) return STATUS_ACCESS_DENIED;
  const removed = fsRemove(k, existing);
  if (removed === STATUS_CANNOT_DELETE) return STATUS_ACCESS_DENIED;
  if (removed === STATUS_SUCCESS) fsReleaseNode(existing);
  return removed;
}

function touchDirectory(directory: FsDirectory, time: bigint): void {
  directory.times.lastWrite = time;
  directory.times.change = time;
}
