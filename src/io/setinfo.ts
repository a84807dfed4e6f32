/** `NtSetInformationFile`. The arguments are the fields of each class's structure, already read. */
import { DELETE } from "../abi/ob.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { IO_COMPLETION_MODIFY_STATE, type IoCompletionPort } from "./completionport.ts";
import {
  FILE_ATTRIBUTE_DIRECTORY,
  FILE_ATTRIBUTE_NORMAL,
  FILE_ATTRIBUTE_SETTABLE,
  FILE_ATTRIBUTE_TEMPORARY,
  FILE_ATTRIBUTE_VALID_FLAGS,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_WRITE_ATTRIBUTES,
  FILE_WRITE_DATA,
  SECTOR_BYTES,
} from "./constants.ts";
import { withOpenFile } from "./createfile.ts";
import type { FileObject } from "./file.ts";
import { noteWrite } from "./filesystem.ts";
import { isValidComponent } from "./name.ts";
import { FsDirectory, FsFile, type FsNode } from "./node.ts";
import { IoFileObjectType } from "./openfile.ts";
import { fsCheckDelete, fsRename, mountWritable, type RenameTarget } from "./volume.ts";

/** One class with its fields. Times of 0 and -1 leave the time as it is. */
export type FileSetting =
  | {
      readonly kind: "basic";
      readonly creation: bigint;
      readonly lastAccess: bigint;
      readonly lastWrite: bigint;
      readonly change: bigint;
      /** 0 leaves the attributes as they are. */
      readonly attributes: number;
    }
  | { readonly kind: "position"; readonly offset: bigint }
  | { readonly kind: "end-of-file"; readonly length: bigint }
  | { readonly kind: "allocation"; readonly length: bigint }
  | { readonly kind: "disposition"; readonly delete: boolean }
  | { readonly kind: "rename"; readonly name: string; readonly rootDirectory: number; readonly replace: boolean }
  | { readonly kind: "mode"; readonly options: number }
  | { readonly kind: "completion"; readonly port: number; readonly key: number }
  | { readonly kind: "completion-notification"; readonly flags: number };

/** Changes an open file. */
export function* NtSetInformationFile(k: Kernel, handle: number, setting: FileSetting): Blocking<NtStatus> {
  const access = accessOf(setting);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, access, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!file.ok) return file.status;
  const status = yield* apply(k, file.value, setting);
  yield* ObDereferenceObject(k, file.value);
  return status;
}

function accessOf(setting: FileSetting): number {
  switch (setting.kind) {
    case "basic":
      return FILE_WRITE_ATTRIBUTES;
    case "end-of-file":
    case "allocation":
      return FILE_WRITE_DATA;
    case "disposition":
    case "rename":
      return DELETE;
    default:
      return 0;
  }
}

function* apply(k: Kernel, file: FileObject, setting: FileSetting): Blocking<NtStatus> {
  switch (setting.kind) {
    case "position":
      return setPosition(file, setting.offset);
    case "completion":
      return setCompletion(k, file, setting.port, setting.key);
    case "completion-notification":
      file.notificationFlags |= setting.flags & 0x7;
      return STATUS_SUCCESS;
    case "mode":
      return STATUS_SUCCESS;
    default:
  }
  const { node } = file;
  if (node === null) return STATUS_INVALID_DEVICE_REQUEST;
  const writable = mountWritable(node.mount);
  if (writable !== STATUS_SUCCESS) return writable;
  switch (setting.kind) {
    case "basic":
      return setBasic(k, node, setting);
    case "end-of-file":
      return setLength(k, node, setting.length);
    case "allocation":
      return setAllocation(k, node, setting.length);
    case "disposition":
      return setDisposition(node, setting.delete);
    case "rename":
      return yield* rename(k, node, setting);
  }
}

function setPosition(file: FileObject, offset: bigint): NtStatus {
  if (offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) return STATUS_INVALID_PARAMETER;
  const unbuffered = file.node !== null && (file.options & FILE_NO_INTERMEDIATE_BUFFERING) !== 0;
  if (unbuffered && Number(offset) % SECTOR_BYTES !== 0) return STATUS_INVALID_PARAMETER;
  file.currentOffset = Number(offset);
  return STATUS_SUCCESS;
}

/** A file is associated with a port once, and only if its requests can end later. */
function setCompletion(k: Kernel, file: FileObject, handle: number, key: number): NtStatus {
  if (file.synchronous || file.completion !== null) return STATUS_INVALID_PARAMETER;
  const type = k.io.completionType;
  const mode = KeGetPreviousMode(k);
  const port = ObReferenceObjectByHandle<IoCompletionPort>(k, handle, IO_COMPLETION_MODIFY_STATE, type, mode);
  if (!port.ok) return port.status;
  file.completion = { port: port.value, key };
  return STATUS_SUCCESS;
}

function setBasic(k: Kernel, node: FsNode, setting: Extract<FileSetting, { readonly kind: "basic" }>): NtStatus {
  const { attributes } = setting;
  if ((attributes & ~FILE_ATTRIBUTE_VALID_FLAGS) !== 0) return STATUS_INVALID_PARAMETER;
  const directory = node instanceof FsDirectory;
  if (!directory && (attributes & FILE_ATTRIBUTE_DIRECTORY) !== 0) return STATUS_INVALID_PARAMETER;
  if (directory && (attributes & FILE_ATTRIBUTE_TEMPORARY) !== 0) return STATUS_INVALID_PARAMETER;
  const times = [setting.creation, setting.lastAccess, setting.lastWrite, setting.change];
  // -2 turns automatic updates back on; they are never off.
  if (times.some((time) => time < -2n)) return STATUS_INVALID_PARAMETER;
  if (attributes !== 0 && node.protectedNode) return STATUS_ACCESS_DENIED;
  if (attributes !== 0) node.attributes = attributes & FILE_ATTRIBUTE_SETTABLE & ~FILE_ATTRIBUTE_NORMAL;
  if (setting.creation > 0n) node.times.creation = setting.creation;
  if (setting.lastAccess > 0n) node.times.lastAccess = setting.lastAccess;
  if (setting.lastWrite > 0n) node.times.lastWrite = setting.lastWrite;
  node.times.change = setting.change > 0n ? setting.change : KeQuerySystemTime(k);
  return STATUS_SUCCESS;
}

function setLength(k: Kernel, node: FsNode, length: bigint): NtStatus {
  if (!(node instanceof FsFile)) return STATUS_INVALID_DEVICE_REQUEST;
  if (length < 0n || length > BigInt(Number.MAX_SAFE_INTEGER)) return STATUS_INVALID_PARAMETER;
  const status = node.content.setLength(Number(length));
  if (status === STATUS_SUCCESS) noteWrite(k, node);
  return status;
}

/** Nothing is allocated ahead; an allocation below the length cuts the file. */
function setAllocation(k: Kernel, node: FsNode, length: bigint): NtStatus {
  if (!(node instanceof FsFile)) return STATUS_INVALID_DEVICE_REQUEST;
  if (length < 0n) return STATUS_INVALID_PARAMETER;
  return length < BigInt(node.content.length) ? setLength(k, node, length) : STATUS_SUCCESS;
}

function setDisposition(node: FsNode, remove: boolean): NtStatus {
  if (!remove) {
    node.deletePending = false;
    return STATUS_SUCCESS;
  }
  const status = fsCheckDelete(node);
  if (status === STATUS_SUCCESS) node.deletePending = true;
  return status;
}

type RenameSetting = Extract<FileSetting, { readonly kind: "rename" }>;

function* rename(k: Kernel, node: FsNode, setting: RenameSetting): Blocking<NtStatus> {
  const { name, rootDirectory, replace } = setting;
  if (name === "") return STATUS_INVALID_PARAMETER;
  if (rootDirectory === 0 && !name.includes("\\")) {
    if (!isValidComponent(name)) return STATUS_OBJECT_NAME_INVALID;
    return node.parent === null
      ? STATUS_INVALID_PARAMETER
      : fsRename(k, node, { directory: node.parent, name, replace });
  }
  const attributes = { rootDirectory, name, attributes: 0 };
  const open = { access: FILE_WRITE_DATA, request: { targetDirectory: true } };
  const result = yield* withOpenFile(k, attributes, open, (file, packet) => {
    if (!(file.node instanceof FsDirectory)) return failure(STATUS_INVALID_PARAMETER);
    return move(k, node, { directory: file.node, name: packet.targetName, replace });
  });
  return result.ok ? STATUS_SUCCESS : result.status;
}

function move(k: Kernel, node: FsNode, target: RenameTarget): NtResult<null> {
  const status = fsRename(k, node, target);
  return status === STATUS_SUCCESS ? success(null) : failure(status);
}
