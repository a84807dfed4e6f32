/** The file system: how a volume's device performs requests. Everything is at hand, so only lock requests ever pend. */
import {
  type NtStatus,
  STATUS_END_OF_FILE,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeGetCurrentProcess } from "../ke/current.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { StructWriter } from "../se/structure.ts";
import { ByteRangeLocks, type LockRange } from "./bytelocks.ts";
import { FILE_ATTRIBUTE_ARCHIVE } from "./constants.ts";
import type { DeviceDispatch } from "./device.ts";
import type { Irp } from "./irp.ts";
import { FsFile } from "./node.ts";
import { STATUS_NOT_A_REPARSE_POINT } from "./status.ts";
import { mountWritable } from "./volume.ts";

/** The routines of every volume's device. */
export const fileSystemDispatch: DeviceDispatch = {
  read: fsRead,
  write: fsWrite,
  flush: () => STATUS_SUCCESS,
  fileSystemControl: fsControl,
  lockControl: fsLockControl,
};

/** Offsets beyond this are not kept exactly; no quota allows a file to reach them anyway. */
const MAXIMUM_OFFSET = Number.MAX_SAFE_INTEGER;

function fsRead(k: Kernel, irp: Irp): NtStatus {
  const { node } = irp.file;
  if (!(node instanceof FsFile)) return STATUS_INVALID_DEVICE_REQUEST;
  const { offset, length } = irp.parameters;
  irp.output = new Uint8Array(0);
  if (length === 0) return STATUS_SUCCESS;
  const end = node.content.length;
  if (offset >= end) return STATUS_END_OF_FILE;
  const locked = checkLocks(k, irp, node, { offset, length, write: false });
  if (locked !== STATUS_SUCCESS) return locked;
  const buffer = new Uint8Array(Math.min(length, end - offset));
  const count = node.content.read(offset, buffer);
  irp.output = count === buffer.length ? buffer : buffer.subarray(0, count);
  irp.information = count;
  return STATUS_SUCCESS;
}

function fsWrite(k: Kernel, irp: Irp): NtStatus {
  const { node } = irp.file;
  if (!(node instanceof FsFile)) return STATUS_INVALID_DEVICE_REQUEST;
  const { offset, input } = irp.parameters;
  if (offset + input.length > MAXIMUM_OFFSET) return STATUS_INVALID_PARAMETER;
  if (input.length === 0) return STATUS_SUCCESS;
  const writable = mountWritable(node.mount);
  if (writable !== STATUS_SUCCESS) return writable;
  const locked = checkLocks(k, irp, node, { offset, length: input.length, write: true });
  if (locked !== STATUS_SUCCESS) return locked;
  const status = node.content.write(offset, input);
  if (status !== STATUS_SUCCESS) return status;
  irp.information = input.length;
  noteWrite(k, node);
  return STATUS_SUCCESS;
}

/** The bytes of a file changed. */
export function noteWrite(k: Kernel, node: FsFile): void {
  const time = KeQuerySystemTime(k);
  node.generation++;
  node.times.lastWrite = time;
  node.times.change = time;
  node.attributes |= FILE_ATTRIBUTE_ARCHIVE;
}

function checkLocks(
  k: Kernel,
  irp: Irp,
  node: FsFile,
  range: { readonly offset: number; readonly length: number; readonly write: boolean },
): NtStatus {
  if (node.locks === null) return STATUS_SUCCESS;
  const wanted: LockRange = {
    file: irp.file,
    process: KeGetCurrentProcess(k),
    key: irp.parameters.code,
    start: BigInt(range.offset),
    length: BigInt(range.length),
  };
  return node.locks.checkAccess(wanted, range.write);
}

function fsLockControl(k: Kernel, irp: Irp): NtStatus {
  const { file, parameters } = irp;
  const lock = parameters.lock;
  if (!(file.node instanceof FsFile) || lock === undefined) return STATUS_INVALID_PARAMETER;
  file.node.locks ??= new ByteRangeLocks();
  return file.node.locks.lock(k, { ...lock, file, process: KeGetCurrentProcess(k) }, irp);
}

/** `FSCTL_*` that a volume answers. */
const FSCTL_CREATE_OR_GET_OBJECT_ID = 0x900c0;
const FSCTL_GET_OBJECT_ID = 0x9009c;
const FSCTL_IS_VOLUME_MOUNTED = 0x90028;
const FSCTL_GET_REPARSE_POINT = 0x900a8;

function fsControl(_k: Kernel, irp: Irp): NtStatus {
  const { node } = irp.file;
  switch (irp.parameters.code) {
    case FSCTL_IS_VOLUME_MOUNTED:
      return STATUS_SUCCESS;
    case FSCTL_GET_OBJECT_ID:
    case FSCTL_CREATE_OR_GET_OBJECT_ID:
      if (node === null) return STATUS_INVALID_PARAMETER;
      return answerObjectId(irp, node.volume.serial, node.fileId);
    case FSCTL_GET_REPARSE_POINT:
      return STATUS_NOT_A_REPARSE_POINT;
    default:
      return STATUS_INVALID_DEVICE_REQUEST;
  }
}

/** `FILE_OBJECTID_BUFFER`: an id made of the volume's number and the file's. */
function answerObjectId(irp: Irp, serial: number, fileId: number): NtStatus {
  const buffer = new StructWriter().u32(serial).u32(0).u64(fileId).zeros(48).finish();
  if (irp.parameters.length < buffer.length) return STATUS_INVALID_PARAMETER;
  irp.output = buffer;
  irp.information = buffer.length;
  return STATUS_SUCCESS;
}
