/**
 * What is to be known of a file: `NtQueryInformationFile` by handle, `NtQueryAttributesFile` and
 * `NtQueryFullAttributesFile` by name. Structures are returned as bytes.
 */
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { referenceHandle } from "../ob/handle.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { StructWriter } from "../se/structure.ts";
import type { Blocking } from "../sim/blocking.ts";
import { CLUSTER_BYTES, FILE_DEVICE_NAMED_PIPE, FILE_MODE_FLAGS, FILE_READ_ATTRIBUTES } from "./constants.ts";
import { withOpenFile } from "./createfile.ts";
import type { FileObject } from "./file.ts";
import { FsDirectory, FsFile, type FsNode, pathOf } from "./node.ts";
import { IoFileObjectType } from "./openfile.ts";

/** An information structure. The status may be BUFFER_OVERFLOW: then it was cut where the caller's buffer ends. */
export interface InformationResult {
  readonly status: NtStatus;
  readonly bytes: Uint8Array;
}

/** `FILE_INFORMATION_CLASS`, as far as single files have it. */
export const FileInformationClass = {
  Basic: 4,
  Standard: 5,
  Internal: 6,
  Ea: 7,
  Access: 8,
  Name: 9,
  Rename: 10,
  Disposition: 13,
  Position: 14,
  Mode: 16,
  Alignment: 17,
  All: 18,
  Allocation: 19,
  EndOfFile: 20,
  Stream: 22,
  PipeLocal: 24,
  Completion: 30,
  NetworkOpen: 34,
  AttributeTag: 35,
  IoCompletionNotification: 41,
} as const;

/** The least a caller's buffer must hold, by class; classes that are not here are not answered. */
const MINIMUM_LENGTHS: ReadonlyMap<number, number> = new Map([
  [FileInformationClass.Basic, 40],
  [FileInformationClass.Standard, 24],
  [FileInformationClass.Internal, 8],
  [FileInformationClass.Ea, 4],
  [FileInformationClass.Access, 4],
  [FileInformationClass.Name, 8],
  [FileInformationClass.Position, 8],
  [FileInformationClass.Mode, 4],
  [FileInformationClass.Alignment, 4],
  [FileInformationClass.All, 104],
  [FileInformationClass.Stream, 32],
  [FileInformationClass.PipeLocal, 40],
  [FileInformationClass.NetworkOpen, 56],
  [FileInformationClass.AttributeTag, 8],
  [FileInformationClass.IoCompletionNotification, 4],
]);

/** Classes that need the right to read attributes. */
const ATTRIBUTE_CLASSES: ReadonlySet<number> = new Set([
  FileInformationClass.Basic,
  FileInformationClass.All,
  FileInformationClass.NetworkOpen,
  FileInformationClass.AttributeTag,
]);

/**
 * Queries an open file.
 * @returns INVALID_INFO_CLASS, INFO_LENGTH_MISMATCH, ACCESS_DENIED; INVALID_PARAMETER for what the file does not have
 */
export function* NtQueryInformationFile(
  k: Kernel,
  handle: number,
  informationClass: number,
  length: number,
): Blocking<NtResult<InformationResult>> {
  const minimum = MINIMUM_LENGTHS.get(informationClass);
  if (minimum === undefined) return failure(STATUS_INVALID_INFO_CLASS);
  if (length < minimum) return failure(STATUS_INFO_LENGTH_MISMATCH);
  const reference = referenceHandle<FileObject>(k, handle, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!reference.ok) return reference;
  const { object: file, grantedAccess } = reference.value;
  const allowed = !ATTRIBUTE_CLASSES.has(informationClass) || (grantedAccess & FILE_READ_ATTRIBUTES) !== 0;
  const result = allowed ? build(file, grantedAccess, informationClass, length) : failure<never>(STATUS_ACCESS_DENIED);
  yield* ObDereferenceObject(k, file);
  return result;
}

function build(
  file: FileObject,
  grantedAccess: number,
  informationClass: number,
  length: number,
): NtResult<InformationResult> {
  const writer = new StructWriter();
  const written =
    writeHandleInformation(writer, file, grantedAccess, informationClass) ||
    writeDeviceInformation(writer, file, informationClass) ||
    (file.node !== null && writeNodeInformation(writer, file, file.node, { grantedAccess, informationClass }));
  if (!written) return failure(STATUS_INVALID_PARAMETER);
  const bytes = writer.finish();
  if (bytes.length <= length) return success({ status: STATUS_SUCCESS, bytes });
  return success({ status: STATUS_BUFFER_OVERFLOW, bytes: bytes.slice(0, length) });
}

/** What the I/O manager knows by itself, of any kind of file. */
function writeHandleInformation(
  writer: StructWriter,
  file: FileObject,
  grantedAccess: number,
  informationClass: number,
): boolean {
  switch (informationClass) {
    case FileInformationClass.Access:
      writer.u32(grantedAccess);
      return true;
    case FileInformationClass.Position:
      writer.u64(file.currentOffset);
      return true;
    case FileInformationClass.Mode:
      writer.u32(file.options & FILE_MODE_FLAGS);
      return true;
    case FileInformationClass.Alignment:
      writer.u32(0);
      return true;
    case FileInformationClass.IoCompletionNotification:
      writer.u32(file.notificationFlags);
      return true;
    case FileInformationClass.Name:
      writeName(writer, nameOf(file));
      return true;
    default:
      return false;
  }
}

/** What a stream says of itself. */
function writeDeviceInformation(writer: StructWriter, file: FileObject, informationClass: number): boolean {
  if (file.node !== null || file.device.deviceType !== FILE_DEVICE_NAMED_PIPE) return false;
  switch (informationClass) {
    case FileInformationClass.Standard:
      writer.u64(0).u64(0).u32(1).u8(0).u8(0).align(8);
      return true;
    case FileInformationClass.PipeLocal:
      // A byte pipe in full duplex with one instance, connected, seen from the client's end.
      writer.u32(0).u32(2).u32(1).u32(1).u32(4096).u32(0).u32(4096).u32(4096).u32(3).u32(0);
      return true;
    default:
      return false;
  }
}

function writeNodeInformation(
  writer: StructWriter,
  file: FileObject,
  node: FsNode,
  how: { readonly grantedAccess: number; readonly informationClass: number },
): boolean {
  switch (how.informationClass) {
    case FileInformationClass.Basic:
      writeBasic(writer, node);
      return true;
    case FileInformationClass.Standard:
      writeStandard(writer, node);
      return true;
    case FileInformationClass.Internal:
      writer.u64(node.fileId);
      return true;
    case FileInformationClass.Ea:
      writer.u32(0);
      return true;
    case FileInformationClass.All:
      writeAll(writer, file, node, how.grantedAccess);
      return true;
    case FileInformationClass.Stream:
      writeStreams(writer, node);
      return true;
    case FileInformationClass.NetworkOpen:
      writeNetworkOpen(writer, node);
      return true;
    case FileInformationClass.AttributeTag:
      writer.u32(node.reportedAttributes).u32(0);
      return true;
    default:
      return false;
  }
}

/** The four times, in the order of every structure that has them. */
export function writeTimes(writer: StructWriter, node: FsNode): void {
  const { creation, lastAccess, lastWrite, change } = node.times;
  writer.u64(creation).u64(lastAccess).u64(lastWrite).u64(change);
}

/** Bytes that a node occupies on its volume. */
export function allocationOf(node: FsNode): number {
  return Math.ceil(node.length / CLUSTER_BYTES) * CLUSTER_BYTES;
}

function writeBasic(writer: StructWriter, node: FsNode): void {
  writeTimes(writer, node);
  writer.u32(node.reportedAttributes).align(8);
}

function writeStandard(writer: StructWriter, node: FsNode): void {
  writer
    .u64(allocationOf(node))
    .u64(node.length)
    .u32(node.deletePending ? 0 : 1);
  writer
    .u8(node.deletePending ? 1 : 0)
    .u8(node instanceof FsDirectory ? 1 : 0)
    .align(8);
}

function writeNetworkOpen(writer: StructWriter, node: FsNode): void {
  writeTimes(writer, node);
  writer.u64(allocationOf(node)).u64(node.length).u32(node.reportedAttributes).align(8);
}

function writeAll(writer: StructWriter, file: FileObject, node: FsNode, grantedAccess: number): void {
  writeBasic(writer, node);
  writeStandard(writer, node);
  writer.u64(node.fileId).u32(0).u32(grantedAccess).u64(file.currentOffset);
  writer.u32(file.options & FILE_MODE_FLAGS).u32(0);
  writeName(writer, nameOf(file));
}

/** A file has one stream, a directory none. */
function writeStreams(writer: StructWriter, node: FsNode): void {
  if (!(node instanceof FsFile)) return;
  const name = "::$DATA";
  writer
    .u32(0)
    .u32(name.length * 2)
    .u64(node.length)
    .u64(allocationOf(node))
    .utf16(name);
}

function writeName(writer: StructWriter, name: string): void {
  writer.u32(name.length * 2).utf16(name);
}

/** The path inside the volume, or the device's name. */
function nameOf(file: FileObject): string {
  if (file.node !== null) return pathOf(file.node);
  return file.device.volume === null ? `\\${file.device.name}` : "";
}

/** `FILE_BASIC_INFORMATION` of a file by name. */
export function NtQueryAttributesFile(k: Kernel, attributes: ObjectAttributes): Blocking<NtResult<Uint8Array>> {
  return queryByName(k, attributes, writeBasic);
}

/** `FILE_NETWORK_OPEN_INFORMATION` of a file by name. */
export function NtQueryFullAttributesFile(k: Kernel, attributes: ObjectAttributes): Blocking<NtResult<Uint8Array>> {
  return queryByName(k, attributes, writeNetworkOpen);
}

function queryByName(
  k: Kernel,
  attributes: ObjectAttributes,
  write: (writer: StructWriter, node: FsNode) => void,
): Blocking<NtResult<Uint8Array>> {
  return withOpenFile(k, attributes, { access: FILE_READ_ATTRIBUTES }, ({ node }) => {
    if (node === null) return failure(STATUS_INVALID_PARAMETER);
    const writer = new StructWriter();
    write(writer, node);
    return success(writer.finish());
  });
}
