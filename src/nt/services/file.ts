/**
 * System services on files: capture the arguments, call the typed routine, write back what it answers. A request's own
 * results are written when it completes, which may be long after the service has answered.
 */
import {
  type NtResult,
  type NtStatus,
  NT_ERROR,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
} from "../../abi/status.ts";
import { NtDeviceIoControlFile, NtFsControlFile } from "../../io/control.ts";
import { type CreatedFile, NtCreateFile, NtOpenFile } from "../../io/createfile.ts";
import {
  FileInformationClass,
  type InformationResult,
  NtQueryAttributesFile,
  NtQueryFullAttributesFile,
  NtQueryInformationFile,
} from "../../io/fileinfo.ts";
import { NtFlushBuffersFile, NtReadFile, NtWriteFile } from "../../io/readwrite.ts";
import type { CompletionOptions } from "../../io/request.ts";
import { NtQueryDirectoryFile } from "../../io/scan.ts";
import { type FileSetting, NtSetInformationFile } from "../../io/setinfo.ts";
import { NtQueryVolumeInformationFile } from "../../io/volumeinfo.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { ObjectAttributes } from "../../ob/lookup.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { capture, probeOut, readObjectAttributes } from "../capture.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";

/** Largest single transfer; longer ones are cut, which readers and writers of files must expect. */
const MAXIMUM_TRANSFER = 16 << 20;

/** Probes an IO_STATUS_BLOCK. */
function probeStatusBlock(user: UserMemory, pointer: number): void {
  user.writeU32(pointer, user.readU32(pointer));
  user.writeU32(pointer + 4, user.readU32(pointer + 4));
}

function writeStatusBlock(k: Kernel, pointer: number, status: NtStatus, information: number): NtStatus {
  const user = capture(k);
  user.writeU32(pointer, status);
  user.writeU32(pointer + 4, information);
  return user.faulted ? user.status : status;
}

function answerOpen(k: Kernel, out: number, statusBlock: number, opened: NtResult<CreatedFile>): NtStatus {
  if (!opened.ok) return opened.status;
  const user = capture(k);
  user.writeU32(out, opened.value.handle);
  if (user.faulted) return user.status;
  return writeStatusBlock(k, statusBlock, STATUS_SUCCESS, opened.value.information);
}

function* createFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, statusBlock = 0] = a;
  const [, , , , , fileAttributes = 0, shareAccess = 0, disposition = 0, options = 0, , eaLength = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  probeStatusBlock(user, statusBlock);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const named = attributes.value;
  const args = { desiredAccess, attributes: named, fileAttributes, shareAccess, disposition, options, eaLength };
  return answerOpen(k, out, statusBlock, yield* NtCreateFile(k, args));
}

function* openFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, statusBlock = 0, shareAccess = 0, options = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  probeStatusBlock(user, statusBlock);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const args = { desiredAccess, attributes: attributes.value, shareAccess, options };
  return answerOpen(k, out, statusBlock, yield* NtOpenFile(k, args));
}

/** How a request's results reach user memory, whenever it ends: the service itself answers with the status alone. */
function completion(a: ServiceArguments, buffer: number): CompletionOptions {
  const [, event = 0, apcRoutine = 0, apcContext = 0, statusBlock = 0] = a;
  return {
    event,
    apc: apcRoutine === 0 ? null : { routine: apcRoutine, script: null },
    apcContext,
    ioStatusBlock: statusBlock,
    writeBack: (kernel, irp) => {
      // A buffer that went away meanwhile is the program's own loss: nobody is left to tell.
      const user = capture(kernel);
      if (irp.output !== null && buffer !== 0) user.writeBytes(buffer, irp.output);
      user.writeU32(statusBlock, irp.status);
      user.writeU32(statusBlock + 4, irp.information);
    },
  };
}

function* readFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, , , , statusBlock = 0, buffer = 0, length = 0, offsetPointer = 0, keyPointer = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const count = Math.min(length, MAXIMUM_TRANSFER);
  if (count > 0) user.probeWrite(buffer, count);
  const byteOffset = offsetPointer === 0 ? null : BigInt.asIntN(64, user.readU64(offsetPointer));
  const key = keyPointer === 0 ? 0 : user.readU32(keyPointer);
  if (user.faulted) return user.status;
  const options = completion(a, buffer);
  const result = yield* NtReadFile(k, handle, { ...options, length: count, byteOffset, key });
  return result.status;
}

function* writeFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, , , , statusBlock = 0, buffer = 0, length = 0, offsetPointer = 0, keyPointer = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const bytes = user.readBytes(buffer, Math.min(length, MAXIMUM_TRANSFER));
  const byteOffset = offsetPointer === 0 ? null : BigInt.asIntN(64, user.readU64(offsetPointer));
  const key = keyPointer === 0 ? 0 : user.readU32(keyPointer);
  if (user.faulted) return user.status;
  const options = completion(a, 0);
  const result = yield* NtWriteFile(k, handle, { ...options, bytes, byteOffset, key });
  return result.status;
}

function* control(k: Kernel, a: ServiceArguments, issue: typeof NtFsControlFile): Blocking<NtStatus> {
  const [handle = 0, , , , statusBlock = 0, code = 0, input = 0, inputLength = 0, output = 0, outputLength = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const bytes = inputLength === 0 ? new Uint8Array(0) : user.readBytes(input, Math.min(inputLength, MAXIMUM_TRANSFER));
  if (user.faulted) return user.status;
  const options = completion(a, output);
  const args = { ...options, code, input: bytes, outputLength: Math.min(outputLength, MAXIMUM_TRANSFER) };
  const result = yield* issue(k, handle, args);
  return result.status;
}

/** The answer of a query: status block and bytes. */
function answerInformation(
  k: Kernel,
  statusBlock: number,
  buffer: number,
  result: NtResult<InformationResult>,
): NtStatus {
  if (!result.ok) return result.status;
  const user = capture(k);
  user.writeBytes(buffer, result.value.bytes);
  if (user.faulted) return user.status;
  return writeStatusBlock(k, statusBlock, result.value.status, result.value.bytes.length);
}

type Query = (
  k: Kernel,
  handle: number,
  informationClass: number,
  length: number,
) => Blocking<NtResult<InformationResult>>;

function* queryFile(k: Kernel, a: ServiceArguments, query: Query): Blocking<NtStatus> {
  const [handle = 0, statusBlock = 0, buffer = 0, length = 0, informationClass = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  if (user.faulted) return user.status;
  const result = yield* query(k, handle, informationClass, Math.min(length, MAXIMUM_TRANSFER));
  return answerInformation(k, statusBlock, buffer, result);
}

function* queryDirectory(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, , , , statusBlock = 0, buffer = 0, length = 0, informationClass = 0] = a;
  const [, , , , , , , , singleEntry = 0, patternPointer = 0, restart = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const pattern = patternPointer === 0 ? null : user.readUnicodeString(patternPointer, 0x400);
  if (user.faulted) return user.status;
  const result = yield* NtQueryDirectoryFile(k, handle, {
    informationClass,
    length: Math.min(length, MAXIMUM_TRANSFER),
    singleEntry: (singleEntry & 0xff) !== 0,
    restart: (restart & 0xff) !== 0,
    pattern,
  });
  return answerInformation(k, statusBlock, buffer, result);
}

/** Bytes that each settable class needs. */
const SETTING_BYTES: ReadonlyMap<number, number> = new Map<number, number>([
  [FileInformationClass.Basic, 36],
  [FileInformationClass.Rename, 16],
  [FileInformationClass.Disposition, 1],
  [FileInformationClass.Position, 8],
  [FileInformationClass.Allocation, 8],
  [FileInformationClass.EndOfFile, 8],
]);

function readSetting(user: UserMemory, informationClass: number, at: number): FileSetting {
  switch (informationClass) {
    case FileInformationClass.Basic:
      return {
        kind: "basic",
        creation: user.readU64(at),
        lastAccess: user.readU64(at + 8),
        lastWrite: user.readU64(at + 16),
        change: user.readU64(at + 24),
        attributes: user.readU32(at + 32),
      };
    case FileInformationClass.Rename: {
      const name = user.readUtf16(at + 12, Math.min(user.readU32(at + 8), 0xfffe));
      return { kind: "rename", name, rootDirectory: user.readU32(at + 4), replace: user.readU8(at) !== 0 };
    }
    case FileInformationClass.Disposition:
      return { kind: "disposition", delete: user.readU8(at) !== 0 };
    case FileInformationClass.Position:
      return { kind: "position", offset: BigInt.asIntN(64, user.readU64(at)) };
    case FileInformationClass.Allocation:
      return { kind: "allocation", length: BigInt.asIntN(64, user.readU64(at)) };
    default:
      return { kind: "end-of-file", length: BigInt.asIntN(64, user.readU64(at)) };
  }
}

function* setFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, statusBlock = 0, buffer = 0, length = 0, informationClass = 0] = a;
  const needed = SETTING_BYTES.get(informationClass);
  if (needed === undefined) {
    notImplemented(k, `NtSetInformationFile class ${String(informationClass)}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (length < needed) return STATUS_INFO_LENGTH_MISMATCH;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const setting = readSetting(user, informationClass, buffer);
  if (user.faulted) return user.status;
  const status = yield* NtSetInformationFile(k, handle, setting);
  return NT_ERROR(status) ? status : writeStatusBlock(k, statusBlock, status, 0);
}

type ByName = (k: Kernel, attributes: ObjectAttributes) => Blocking<NtResult<Uint8Array>>;

function* queryByName(k: Kernel, a: ServiceArguments, query: ByName): Blocking<NtStatus> {
  const [attributesPointer = 0, buffer = 0] = a;
  const user = capture(k);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const result = yield* query(k, attributes.value);
  if (!result.ok) return result.status;
  const results = capture(k);
  results.writeBytes(buffer, result.value);
  return results.faulted ? results.status : STATUS_SUCCESS;
}

function* flush(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, statusBlock = 0] = a;
  const result = yield* NtFlushBuffersFile(k, handle);
  return NT_ERROR(result.status) ? result.status : writeStatusBlock(k, statusBlock, result.status, 0);
}

export const fileServices: readonly NtService[] = [
  { name: "NtCreateFile", arguments: 11, handler: createFile },
  { name: "NtOpenFile", arguments: 6, handler: openFile },
  { name: "NtReadFile", arguments: 9, handler: readFile },
  { name: "NtWriteFile", arguments: 9, handler: writeFile },
  { name: "NtFlushBuffersFile", arguments: 2, handler: flush },
  { name: "NtFsControlFile", arguments: 10, handler: (k, a) => control(k, a, NtFsControlFile) },
  { name: "NtDeviceIoControlFile", arguments: 10, handler: (k, a) => control(k, a, NtDeviceIoControlFile) },
  { name: "NtQueryInformationFile", arguments: 5, handler: (k, a) => queryFile(k, a, NtQueryInformationFile) },
  { name: "NtSetInformationFile", arguments: 5, handler: setFile },
  {
    name: "NtQueryVolumeInformationFile",
    arguments: 5,
    handler: (k, a) => queryFile(k, a, NtQueryVolumeInformationFile),
  },
  { name: "NtQueryDirectoryFile", arguments: 11, handler: queryDirectory },
  { name: "NtQueryAttributesFile", arguments: 2, handler: (k, a) => queryByName(k, a, NtQueryAttributesFile) },
  { name: "NtQueryFullAttributesFile", arguments: 2, handler: (k, a) => queryByName(k, a, NtQueryFullAttributesFile) },
];
