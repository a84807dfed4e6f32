/** The end of an open: its last handle, then the file object itself. */
import { STATUS_SUCCESS } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { ObProcess } from "../ob/process.ts";
import { dropReference, ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { countClose } from "./driver.ts";
import type { FileObject } from "./file.ts";
import { FsFile, type FsNode } from "./node.ts";
import { fsCheckDelete, fsReleaseNode, fsRemove } from "./volume.ts";

/** Close procedure: a process's last handle gives up its locks, the last handle of all ends the open. */
// eslint-disable-next-line require-yield
export function* IopCloseFile(
  k: Kernel,
  process: ObProcess,
  file: FileObject,
  _grantedAccess: number,
  processHandleCount: number,
  systemHandleCount: number,
): Blocking<void> {
  if (processHandleCount !== 1) return;
  if (file.node instanceof FsFile) file.node.locks?.releaseAll(k, file, process);
  if (systemHandleCount === 1) cleanupFile(k, file);
}

/** Delete procedure. */
export function* IopDeleteFile(k: Kernel, file: FileObject): Blocking<void> {
  if (!file.cleanedUp) cleanupFile(k, file);
  const { device, completion } = file;
  if (file.opened) device.dispatch.close?.(k, file);
  file.completion = null;
  if (completion !== null) yield* ObDereferenceObject(k, completion.port);
  countClose(k, device);
  if (!dropReference(device)) yield* ObDereferenceObject(k, device);
}

/** Undoes what the open did to its file, and removes the file if it was only waiting for that. */
function cleanupFile(k: Kernel, file: FileObject): void {
  if (file.cleanedUp) return;
  file.cleanedUp = true;
  if (file.opened) file.device.dispatch.cleanup?.(k, file);
  const { node } = file;
  if (node === null) return;
  if (node instanceof FsFile) node.locks?.releaseAll(k, file, null);
  if (file.sharing !== null) node.share.remove(file.sharing);
  file.sharing = null;
  node.openCount--;
  if (file.deleteOnClose && !node.removed && fsCheckDelete(node) === STATUS_SUCCESS) node.deletePending = true;
  if (node.openCount === 0) removeIfPending(k, node);
}

function removeIfPending(k: Kernel, node: FsNode): void {
  if (!node.deletePending || node.removed) return;
  node.deletePending = false;
  // What cannot be deleted any more, such as a directory that somebody filled, stays.
  if (fsRemove(k, node) === STATUS_SUCCESS) fsReleaseNode(node);
}
