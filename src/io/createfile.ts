/** `NtCreateFile`, `NtOpenFile` and the services that open a file only to look at it or delete it. */
import { ACCESS_SYSTEM_SECURITY, DELETE, OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_IMPLEMENTED,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObOpenObjectByName, ObReferenceObjectByName } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { SeSinglePrivilegeCheck, Privilege } from "../se/privilege.ts";
import {
  CreateDisposition,
  FILE_APPEND_DATA,
  FILE_ATTRIBUTE_VALID_FLAGS,
  FILE_COMPLETE_IF_OPLOCKED,
  FILE_DELETE_ON_CLOSE,
  FILE_DIRECTORY_FILE,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_NON_DIRECTORY_FILE,
  FILE_OPEN_BY_FILE_ID,
  FILE_RESERVE_OPFILTER,
  FILE_SHARE_DELETE,
  FILE_SHARE_READ,
  FILE_SHARE_WRITE,
  FILE_SYNCHRONOUS_IO_ALERT,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FILE_VALID_OPTION_FLAGS,
} from "./constants.ts";
import type { FileObject } from "./file.ts";
import { IoFileObjectType } from "./openfile.ts";
import { OpenPacket, type OpenRequest } from "./packet.ts";
import { fsCheckDelete } from "./volume.ts";

const SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/** Arguments of {@link NtCreateFile}. */
export interface CreateFileArguments {
  readonly desiredAccess: number;
  readonly attributes: ObjectAttributes;
  readonly fileAttributes: number;
  readonly shareAccess: number;
  readonly disposition: number;
  readonly options: number;
  /** Bytes of extended attributes: none are kept. */
  readonly eaLength?: number;
}

/** What {@link NtCreateFile} answers: the handle and `IO_STATUS_BLOCK.Information`. */
export interface CreatedFile {
  readonly handle: number;
  readonly information: number;
}

/**
 * Opens or creates a file, directory or device.
 * @returns INVALID_PARAMETER for impossible combinations; the statuses of path resolution, sharing and file systems
 */
export function* NtCreateFile(k: Kernel, args: CreateFileArguments): Blocking<NtResult<CreatedFile>> {
  const refused = checkArguments(k, args);
  if (refused !== STATUS_SUCCESS) return failure(refused);
  const packet = new OpenPacket(args);
  const opened = yield* ObOpenObjectByName(k, fileAttributesOf(args.attributes), {
    desiredAccess: args.desiredAccess,
    mode: KeGetPreviousMode(k),
    type: IoFileObjectType(k),
    context: packet,
  });
  return opened.ok ? success({ handle: opened.value, information: packet.information }) : opened;
}

/** Opens what exists. */
export function NtOpenFile(
  k: Kernel,
  args: Omit<CreateFileArguments, "disposition" | "fileAttributes" | "eaLength">,
): Blocking<NtResult<CreatedFile>> {
  return NtCreateFile(k, { ...args, disposition: CreateDisposition.Open, fileAttributes: 0 });
}

/** Names of files and devices ignore case, whatever the caller says. */
function fileAttributesOf(attributes: ObjectAttributes): ObjectAttributes {
  return { ...attributes, attributes: attributes.attributes | OBJ_CASE_INSENSITIVE };
}

function checkArguments(k: Kernel, args: CreateFileArguments): NtStatus {
  const { desiredAccess, fileAttributes, shareAccess, disposition, options } = args;
  const attributesInvalid = (fileAttributes & ~FILE_ATTRIBUTE_VALID_FLAGS) !== 0;
  if (attributesInvalid || (shareAccess & ~SHARE_ALL) !== 0) return STATUS_INVALID_PARAMETER;
  if (disposition > CreateDisposition.OverwriteIf) return STATUS_INVALID_PARAMETER;
  if ((options & ~FILE_VALID_OPTION_FLAGS) !== 0) return STATUS_INVALID_PARAMETER;
  const optionsStatus = checkOptions(desiredAccess, disposition, options);
  if (optionsStatus !== STATUS_SUCCESS) return optionsStatus;
  if ((args.eaLength ?? 0) > 0) return STATUS_NOT_IMPLEMENTED;
  if ((options & FILE_OPEN_BY_FILE_ID) !== 0) return STATUS_NOT_IMPLEMENTED;
  const security = (desiredAccess & ACCESS_SYSTEM_SECURITY) !== 0;
  const privileged = !security || SeSinglePrivilegeCheck(k, Privilege.Security, KeGetPreviousMode(k));
  return privileged ? STATUS_SUCCESS : STATUS_PRIVILEGE_NOT_HELD;
}

/** Options that exclude each other, or need a right. */
function checkOptions(access: number, disposition: number, options: number): NtStatus {
  const has = (flags: number): boolean => (options & flags) !== 0;
  const all = (flags: number): boolean => (options & flags) === flags;
  const synchronous = FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT;
  const contradictory =
    all(synchronous) ||
    all(FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE) ||
    all(FILE_COMPLETE_IF_OPLOCKED | FILE_RESERVE_OPFILTER);
  const overwrites = disposition === CreateDisposition.Supersede || disposition >= CreateDisposition.Overwrite;
  const withoutRight =
    (has(synchronous) && (access & SYNCHRONIZE) === 0) ||
    (has(FILE_DELETE_ON_CLOSE) && (access & DELETE) === 0) ||
    (has(FILE_DIRECTORY_FILE) && overwrites) ||
    (has(FILE_NO_INTERMEDIATE_BUFFERING) && (access & FILE_APPEND_DATA) !== 0);
  return contradictory || withoutRight ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

/** How the kernel itself opens a file: for what exists, sharing everything, unless it says otherwise. */
export interface KernelOpen {
  readonly access: number;
  readonly request?: Partial<OpenRequest>;
}

/** Opens a file without a handle. @returns the file, with a reference for the caller */
export function IoOpenFile(
  k: Kernel,
  attributes: ObjectAttributes,
  open: KernelOpen,
  packet: OpenPacket = packetOf(open),
): Blocking<NtResult<FileObject>> {
  return ObReferenceObjectByName<FileObject>(k, fileAttributesOf(attributes), {
    desiredAccess: open.access,
    mode: KeGetPreviousMode(k),
    type: IoFileObjectType(k),
    context: packet,
  });
}

function packetOf(open: KernelOpen): OpenPacket {
  const request = { disposition: CreateDisposition.Open, options: 0, shareAccess: SHARE_ALL, fileAttributes: 0 };
  return new OpenPacket({ ...request, ...open.request });
}

/** Opens a file without a handle, hands it to `use`, and lets it go. */
export function* withOpenFile<T>(
  k: Kernel,
  attributes: ObjectAttributes,
  open: KernelOpen,
  use: (file: FileObject, packet: OpenPacket) => NtResult<T>,
): Blocking<NtResult<T>> {
  const packet = packetOf(open);
  const found = yield* IoOpenFile(k, attributes, open, packet);
  if (!found.ok) return found;
  const result = use(found.value, packet);
  yield* ObDereferenceObject(k, found.value);
  return result;
}

/** Deletes a file or an empty directory by name. */
export function* NtDeleteFile(k: Kernel, attributes: ObjectAttributes): Blocking<NtStatus> {
  const open = { access: DELETE, request: { options: FILE_DELETE_ON_CLOSE } };
  const result = yield* withOpenFile(k, attributes, open, ({ node }) => {
    const status = node === null ? STATUS_INVALID_DEVICE_REQUEST : fsCheckDelete(node);
    return status === STATUS_SUCCESS ? success(null) : failure(status);
  });
  return result.ok ? STATUS_SUCCESS : result.status;
}
