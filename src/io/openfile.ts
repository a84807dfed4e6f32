/**
 * Opening: from a path and an {@link OpenPacket} to a file object. Everything that can fail is checked before anything
 * is changed, except what the host refuses.
 */
import { DELETE, MAXIMUM_ALLOWED } from "../abi/ob.ts";
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_CANNOT_DELETE,
  STATUS_FILE_IS_A_DIRECTORY,
  STATUS_NOT_A_DIRECTORY,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject } from "../ob/create.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { grantAccess, type ObjectType, type ParseRequest } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import {
  CreateDisposition,
  FILE_ATTRIBUTE_ARCHIVE,
  FILE_ATTRIBUTE_HIDDEN,
  FILE_ATTRIBUTE_READONLY,
  FILE_ATTRIBUTE_SETTABLE,
  FILE_ATTRIBUTE_SYSTEM,
  FILE_DELETE_ON_CLOSE,
  FILE_DIRECTORY_FILE,
  FILE_NON_DIRECTORY_FILE,
  FILE_WRITE_DATA,
  FILE_WRITE_RIGHTS,
  OpenInformation,
} from "./constants.ts";
import type { DeviceObject } from "./device.ts";
import { countOpen } from "./driver.ts";
import { FileObject } from "./file.ts";
import { FsDirectory, FsFile, type FsNode } from "./node.ts";
import { OpenPacket, type OpenRequest } from "./packet.ts";
import { type PathTarget, splitPath, walkPath } from "./path.ts";
import { type Sharing, sharingOf } from "./share.ts";
import { STATUS_DELETE_PENDING, STATUS_NO_SUCH_DEVICE } from "./status.ts";
import { fsCreate, mountWritable } from "./volume.ts";

/** The File object type. */
export function IoFileObjectType(k: Kernel): ObjectType {
  assert(k.io.fileType !== null, "IoInitSystem runs before the first file is opened");
  return k.io.fileType;
}

/** Parse procedure of devices: the path behind the device's name. */
export function* IopParseDevice(k: Kernel, request: ParseRequest<DeviceObject>): Blocking<NtResult<FileObject>> {
  const { body: device, context, remaining } = request;
  if (!(context instanceof OpenPacket)) return failure(STATUS_OBJECT_TYPE_MISMATCH);
  const start = device.volume === null || remaining === "" ? null : device.volume.root;
  return yield* openAt(k, { device, start, path: remaining, ...accessOf(k, request) }, context);
}

/** Parse procedure of files: a path relative to an open directory. */
export function* IopParseFile(k: Kernel, request: ParseRequest<FileObject>): Blocking<NtResult<FileObject>> {
  const { body: file, context, remaining } = request;
  if (!(context instanceof OpenPacket)) return failure(STATUS_OBJECT_TYPE_MISMATCH);
  const { device } = file;
  if (file.node === null && device.volume !== null) return failure(STATUS_OBJECT_PATH_NOT_FOUND);
  return yield* openAt(k, { device, start: file.node, path: remaining, ...accessOf(k, request) }, context);
}

function accessOf(
  k: Kernel,
  { desiredAccess }: { readonly desiredAccess: number },
): Pick<OpenStart, "access" | "explicit"> {
  const access = grantAccess(IoFileObjectType(k), desiredAccess);
  return { access, explicit: (desiredAccess & MAXIMUM_ALLOWED) !== 0 ? 0 : access };
}

/** Where an open begins. */
interface OpenStart {
  readonly device: DeviceObject;
  /** Null opens the device itself, or the volume as a whole. */
  readonly start: FsNode | null;
  readonly path: string;
  /** Rights, generic ones mapped. */
  readonly access: number;
  /** The rights that the caller insists on: none of them if it asked for whatever it can get. */
  readonly explicit: number;
}

function* openAt(k: Kernel, start: OpenStart, packet: OpenPacket): Blocking<NtResult<FileObject>> {
  if (start.start === null) return yield* openDevice(k, start, packet);
  const split = splitPath(start.path);
  if (!split.ok) return split;
  const walked = walkPath(start.start, split.value.components);
  if (!walked.ok) return walked;
  const target = walked.value;
  if (packet.request.targetDirectory === true) return openTargetDirectory(k, start, target, packet);
  if (target.node !== null) {
    return yield* openExisting(k, start, { node: target.node, trailing: split.value.trailing }, packet);
  }
  return yield* openNew(k, start, { target, trailing: split.value.trailing }, packet);
}

/** Opens something that is no file: a device, or a volume as a whole. */
function* openDevice(k: Kernel, start: OpenStart, packet: OpenPacket): Blocking<NtResult<FileObject>> {
  if ((packet.request.options & FILE_DIRECTORY_FILE) !== 0) return failure(STATUS_NOT_A_DIRECTORY);
  const { device } = start;
  if (device.deletePending || device.driver?.unloading === true) return failure(STATUS_NO_SUCH_DEVICE);
  if (device.exclusive && device.openFiles > 0) return failure(STATUS_ACCESS_DENIED);
  const made = newFile(k, start, packet.request.options);
  if (!made.ok) return made;
  const file = made.value;
  const created = start.device.dispatch.create?.(k, file) ?? STATUS_SUCCESS;
  packet.information = OpenInformation.Opened;
  if (NT_SUCCESS(created)) return success(file);
  file.opened = false;
  yield* ObDereferenceObject(k, file);
  return failure(created);
}

function openTargetDirectory(
  k: Kernel,
  start: OpenStart,
  target: PathTarget,
  packet: OpenPacket,
): NtResult<FileObject> {
  if (target.directory === null) return failure(STATUS_OBJECT_NAME_INVALID);
  packet.targetName = target.name;
  packet.targetNode = target.node;
  packet.information = target.node === null ? OpenInformation.DoesNotExist : OpenInformation.Exists;
  return makeFile(k, start, target.directory, { request: packet.request, sharing: null });
}

/** Opens what is there, and empties it if the disposition says so. */
function* openExisting(
  k: Kernel,
  start: OpenStart,
  found: { readonly node: FsNode; readonly trailing: boolean },
  packet: OpenPacket,
): Blocking<NtResult<FileObject>> {
  const { node } = found;
  const { request } = packet;
  const overwrites = overwriteKind(request.disposition);
  const refused = checkExisting(node, start.explicit, { ...found, overwrites, request });
  if (refused !== STATUS_SUCCESS) return failure(refused);
  const implied = overwrites === null ? 0 : overwrites === "supersede" ? DELETE : FILE_WRITE_DATA;
  const sharing = sharingOf(start.access | implied, request.shareAccess);
  const shared = sharing === null ? STATUS_SUCCESS : node.share.check(sharing);
  if (shared !== STATUS_SUCCESS) return failure(shared);
  const file = makeFile(k, start, node, { request, sharing: sharingOf(start.access, request.shareAccess) });
  if (!file.ok) return file;
  packet.information = OpenInformation.Opened;
  if (overwrites === null || !(node instanceof FsFile)) return file;
  const emptied = emptyFile(k, node, request.fileAttributes);
  packet.information = overwrites === "supersede" ? OpenInformation.Superseded : OpenInformation.Overwritten;
  if (emptied === STATUS_SUCCESS) return file;
  yield* ObDereferenceObject(k, file.value);
  return failure(emptied);
}

function emptyFile(k: Kernel, file: FsFile, attributes: number): NtStatus {
  const status = file.content.setLength(0);
  if (status !== STATUS_SUCCESS) return status;
  file.generation++;
  file.attributes = (attributes & FILE_ATTRIBUTE_SETTABLE) | FILE_ATTRIBUTE_ARCHIVE;
  const time = KeQuerySystemTime(k);
  file.times.lastWrite = time;
  file.times.change = time;
  return STATUS_SUCCESS;
}

function overwriteKind(disposition: number): "supersede" | "overwrite" | null {
  if (disposition === CreateDisposition.Supersede) return "supersede";
  const overwrites = disposition === CreateDisposition.Overwrite || disposition === CreateDisposition.OverwriteIf;
  return overwrites ? "overwrite" : null;
}

/** Whether an existing file or directory may be opened so. */
function checkExisting(
  node: FsNode,
  explicit: number,
  how: {
    readonly trailing: boolean;
    readonly overwrites: "supersede" | "overwrite" | null;
    readonly request: OpenRequest;
  },
): NtStatus {
  const { options, disposition, fileAttributes } = how.request;
  const directory = node instanceof FsDirectory;
  if (node.deletePending) return STATUS_DELETE_PENDING;
  if (disposition === CreateDisposition.Create) return STATUS_OBJECT_NAME_COLLISION;
  if (directory && (options & FILE_NON_DIRECTORY_FILE) !== 0) return STATUS_FILE_IS_A_DIRECTORY;
  if (directory && how.overwrites !== null) return STATUS_OBJECT_NAME_COLLISION;
  if (!directory && (options & FILE_DIRECTORY_FILE) !== 0) return STATUS_NOT_A_DIRECTORY;
  if (!directory && how.trailing) return STATUS_OBJECT_NAME_INVALID;
  const changes = how.overwrites !== null || (!directory && (explicit & FILE_WRITE_RIGHTS) !== 0);
  if (changes && (node.attributes & FILE_ATTRIBUTE_READONLY) !== 0) return STATUS_ACCESS_DENIED;
  if (node.protectedNode && (changes || (explicit & DELETE) !== 0)) return STATUS_ACCESS_DENIED;
  const hidden = node.attributes & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
  if (how.overwrites !== null && (hidden & ~fileAttributes) !== 0) return STATUS_ACCESS_DENIED;
  const deletes = (options & FILE_DELETE_ON_CLOSE) !== 0;
  if (deletes && (node.attributes & FILE_ATTRIBUTE_READONLY) !== 0) return STATUS_CANNOT_DELETE;
  return changes || deletes || (explicit & DELETE) !== 0 ? mountWritable(node.mount) : STATUS_SUCCESS;
}

/** Creates what is not there, if the disposition allows it, and opens it. */
function* openNew(
  k: Kernel,
  start: OpenStart,
  missing: { readonly target: PathTarget; readonly trailing: boolean },
  packet: OpenPacket,
): Blocking<NtResult<FileObject>> {
  const { request } = packet;
  const { directory, name } = missing.target;
  const { disposition, fileAttributes } = request;
  if (disposition === CreateDisposition.Open || disposition === CreateDisposition.Overwrite) {
    return failure(STATUS_OBJECT_NAME_NOT_FOUND);
  }
  assert(directory !== null, "what does not exist has a directory to be created in");
  const kind = (request.options & FILE_DIRECTORY_FILE) !== 0 ? "directory" : "file";
  if (kind === "file" && missing.trailing) return failure(STATUS_OBJECT_NAME_INVALID);
  const readOnly = (fileAttributes & FILE_ATTRIBUTE_READONLY) !== 0;
  if (readOnly && (request.options & FILE_DELETE_ON_CLOSE) !== 0) return failure(STATUS_CANNOT_DELETE);
  const made = newFile(k, start, request.options);
  if (!made.ok) return made;
  const file = made.value;
  const created = fsCreate(k, directory, name, { kind, attributes: fileAttributes });
  if (!created.ok) {
    file.cleanedUp = true;
    yield* ObDereferenceObject(k, file);
    return failure(created.status);
  }
  attachNode(file, created.value, sharingOf(start.access, request.shareAccess));
  packet.information = OpenInformation.Created;
  return success(file);
}

function makeFile(
  k: Kernel,
  start: OpenStart,
  node: FsNode,
  how: { readonly request: OpenRequest; readonly sharing: Sharing | null },
): NtResult<FileObject> {
  const file = newFile(k, start, how.request.options);
  if (file.ok) attachNode(file.value, node, how.sharing);
  return file;
}

/** A file object that is an open of nothing yet; it holds a reference on its device. */
function newFile(k: Kernel, { device, path, access }: OpenStart, options: number): NtResult<FileObject> {
  const file = new FileObject(k, { device, node: null, fileName: path, options, access });
  const status = ObCreateObject(k, IoFileObjectType(k), file);
  if (!NT_SUCCESS(status)) return failure(status);
  ObReferenceObject(device);
  countOpen(device);
  return success(file);
}

/** From here on the file object counts as one open of the node. */
function attachNode(file: FileObject, node: FsNode, sharing: Sharing | null): void {
  assert(file.node === null, "a file object is an open of one file");
  file.node = node;
  file.sharing = sharing;
  file.deleteOnClose = (file.options & FILE_DELETE_ON_CLOSE) !== 0;
  node.openCount++;
  if (sharing !== null) node.share.add(sharing);
}
