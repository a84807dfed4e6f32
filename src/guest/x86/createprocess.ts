/** `NtCreateUserProcess`: a process, its image and parameters, and its first thread in one call. */
import { DEBUG_PROCESS_ASSIGN } from "../../abi/dbgk.ts";
import { PAGE_EXECUTE, SEC_IMAGE } from "../../abi/mm.ts";
import { PROCESS_PARAMETERS } from "../../abi/peb.ts";
import { PROCESS_CREATE_FLAGS_BREAKAWAY } from "../../abi/job.ts";
import { PROCESS_CREATE_PROCESS } from "../../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  NT_SUCCESS,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import { referenceDebugObject } from "../../dbgk/attach.ts";
import type { DebugObject } from "../../dbgk/objects.ts";
import { FILE_READ_DATA } from "../../io/constants.ts";
import { IoOpenFile } from "../../io/createfile.ts";
import { IoGetFileBytes, IoReadWholeFile } from "../../io/section.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { Kernel } from "../../kernel.ts";
import { MmCreateSection, type SectionObject } from "../../mm/section.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import { capture, ownProcess, referenceProcess } from "../../nt/capture.ts";
import { encodeImageInformation } from "../../nt/services/section.ts";
import type { NtService, ServiceArguments } from "../../nt/table.ts";
import { ObInsertObject } from "../../ob/insert.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../ob/reference.ts";
import type { Job } from "../../ps/job.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { createInitialThread, createUserProcess, writeParameters } from "../bringup.ts";
import { type Library, loadLibrary } from "../library.ts";
import type { ProcessParameters } from "../parameters.ts";
import {
  findAttribute,
  PsAttribute,
  type PsAttributeEntry,
  readAttributeList,
  writeAttributeResults,
} from "./attributes.ts";
import { dereferenceJobs, readJobList, referenceJobs } from "./joblist.ts";
import type { X86Guest } from "./threads.ts";

const PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT = 0x2;
const PROCESS_CREATE_FLAGS_INHERIT_HANDLES = 0x4;
const THREAD_CREATE_FLAGS_CREATE_SUSPENDED = 0x1;
const MAXIMUM_STRING_BYTES = 0xfffe;
const MAXIMUM_ENVIRONMENT_BYTES = 1 << 20;
const OBJ_CASE_INSENSITIVE = 0x40;

interface Request {
  readonly processOut: number;
  readonly threadOut: number;
  readonly processAccess: number;
  readonly threadAccess: number;
  readonly inheritHandles: boolean;
  readonly breakaway: boolean;
  /** Handles. */
  readonly jobs: readonly number[];
  readonly noDebugInherit: boolean;
  readonly suspended: boolean;
  readonly parameters: ProcessParameters;
  readonly imageName: string;
  readonly attributes: readonly PsAttributeEntry[];
}

/** Reads a UNICODE_STRING whose pointer may be an offset into the parameters. */
function readString(user: UserMemory, parameters: number, offset: number, normalized: boolean): string {
  const length = Math.min(user.readU16(parameters + offset), MAXIMUM_STRING_BYTES);
  const pointer = user.readU32(parameters + offset + 4);
  if (length === 0) return "";
  return user.readUtf16(normalized ? pointer : parameters + pointer, length);
}

function readParameters(user: UserMemory, at: number): ProcessParameters {
  const normalized = (user.readU32(at + PROCESS_PARAMETERS.flags) & 1) !== 0;
  const text = (offset: number): string => readString(user, at, offset, normalized);
  const environment = user.readU32(at + PROCESS_PARAMETERS.environment);
  const size = Math.min(user.readU32(at + PROCESS_PARAMETERS.environmentSize), MAXIMUM_ENVIRONMENT_BYTES);
  return {
    imagePath: text(PROCESS_PARAMETERS.imagePathName),
    commandLine: text(PROCESS_PARAMETERS.commandLine),
    currentDirectory: text(PROCESS_PARAMETERS.currentDirectory),
    environment: environment === 0 ? new Map() : user.readBytes(environment, size),
    handles: {
      input: user.readU32(at + PROCESS_PARAMETERS.standardInput),
      output: user.readU32(at + PROCESS_PARAMETERS.standardOutput),
      error: user.readU32(at + PROCESS_PARAMETERS.standardError),
    },
  };
}

function readRequest(user: UserMemory, a: ServiceArguments): NtResult<Request> {
  const [processOut = 0, threadOut = 0, processAccess = 0, threadAccess = 0, , , processFlags = 0, threadFlags = 0] = a;
  const [, , , , , , , , parametersPointer = 0, , listPointer = 0] = a;
  user.writeU32(processOut, user.readU32(processOut));
  user.writeU32(threadOut, user.readU32(threadOut));
  const list = readAttributeList(user, listPointer);
  if (!list.ok) return list;
  const jobs = readJobList(user, list.value);
  if (!jobs.ok) return jobs;
  if (parametersPointer === 0) return failure(STATUS_INVALID_PARAMETER);
  const parameters = readParameters(user, parametersPointer);
  const image = findAttribute(list.value, PsAttribute.ImageName);
  const imageName = image === null ? `\\??\\${parameters.imagePath}` : user.readUtf16(image.value, image.size);
  if (user.faulted) return failure(user.status);
  return success({
    processOut,
    threadOut,
    processAccess,
    threadAccess,
    inheritHandles: (processFlags & PROCESS_CREATE_FLAGS_INHERIT_HANDLES) !== 0,
    breakaway: (processFlags & PROCESS_CREATE_FLAGS_BREAKAWAY) !== 0,
    jobs: jobs.value,
    noDebugInherit: (processFlags & PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT) !== 0,
    suspended: (threadFlags & THREAD_CREATE_FLAGS_CREATE_SUSPENDED) !== 0,
    parameters,
    imageName: imageName.replace(/\0+$/, ""),
    attributes: list.value,
  });
}

function NtCreateUserProcess(k: Kernel, guest: X86Guest, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const user = capture(k);
  const request = readRequest(user, a);
  if (!request.ok) return request.status;
  return user.faulted ? user.status : createProcess(k, guest, request.value);
}

/** An image on its way into a process. */
interface OpenedImage {
  readonly library: Library;
  readonly section: SectionObject;
}

function* openImage(k: Kernel, name: string): Blocking<NtResult<OpenedImage>> {
  const attributes = { rootDirectory: 0, name, attributes: OBJ_CASE_INSENSITIVE };
  const file = yield* IoOpenFile(k, attributes, { access: FILE_READ_DATA });
  if (!file.ok) return file;
  const bytes = IoReadWholeFile(file.value);
  const identity = IoGetFileBytes(file.value)?.identity ?? null;
  const baseName = name.slice(name.lastIndexOf("\\") + 1).toLowerCase();
  const library = bytes === null ? null : loadLibrary(baseName, bytes);
  const section =
    library === null || !library.ok
      ? failure<SectionObject>(library?.status ?? STATUS_INVALID_IMAGE_FORMAT)
      : MmCreateSection(k, {
          maximumSize: 0,
          protection: PAGE_EXECUTE,
          attributes: SEC_IMAGE,
          file: { object: file.value, name, identity, image: success(library.value.shared) },
        });
  yield* ObDereferenceObject(k, file.value);
  if (!section.ok) return section;
  return library?.ok
    ? success({ library: library.value, section: section.value })
    : failure(STATUS_INVALID_IMAGE_FORMAT);
}

function* createProcess(k: Kernel, guest: X86Guest, request: Request): Blocking<NtStatus> {
  const image = yield* openImage(k, request.imageName);
  if (!image.ok) return image.status;
  const parent = takeParent(k, request.attributes);
  const created = parent.ok ? yield* createUnderDebugger(k, guest, request, image.value, parent.value) : parent;
  if (parent.ok) yield* ObDereferenceObject(k, parent.value);
  yield* ObDereferenceObject(k, image.value.section);
  return created.ok ? STATUS_SUCCESS : created.status;
}

/** The process to inherit from, referenced. */
function takeParent(k: Kernel, attributes: readonly PsAttributeEntry[]): NtResult<EProcess> {
  const named = findAttribute(attributes, PsAttribute.ParentProcess);
  if (named !== null) return referenceProcess(k, named.value, PROCESS_CREATE_PROCESS);
  const own = ownProcess(k);
  ObReferenceObject(own);
  return success(own);
}

/** The debug object that the list names, referenced; null if it names none. */
function takeDebugObject(k: Kernel, attributes: readonly PsAttributeEntry[]): NtResult<DebugObject | null> {
  const named = findAttribute(attributes, PsAttribute.DebugObject);
  return named === null || named.value === 0
    ? success(null)
    : referenceDebugObject(k, named.value, DEBUG_PROCESS_ASSIGN);
}

/** Holds the debug object of the list for as long as the process is being made. */
function* createUnderDebugger(
  k: Kernel,
  guest: X86Guest,
  request: Request,
  image: OpenedImage,
  parent: EProcess,
): Blocking<NtResult<EProcess>> {
  const debug = takeDebugObject(k, request.attributes);
  if (!debug.ok) return debug;
  const created = yield* createInJobs(k, guest, request, image, { parent, debugObject: debug.value });
  if (debug.value !== null) yield* ObDereferenceObject(k, debug.value);
  return created;
}

/** What a new process has from others, referenced by whoever makes it. */
interface Origin {
  readonly parent: EProcess;
  readonly debugObject: DebugObject | null;
}

/** Holds the jobs of the list for as long as the process is being made. */
function* createInJobs(
  k: Kernel,
  guest: X86Guest,
  request: Request,
  image: OpenedImage,
  origin: Origin,
): Blocking<NtResult<EProcess>> {
  const jobs = yield* referenceJobs(k, request.jobs);
  if (!jobs.ok) return jobs;
  const created = yield* fillProcess(k, guest, request, image, { ...origin, jobs: jobs.value });
  yield* dereferenceJobs(k, jobs.value);
  return created;
}

/** Creates process and thread, and gives their handles to the caller. */
function* fillProcess(
  k: Kernel,
  guest: X86Guest,
  request: Request,
  image: OpenedImage,
  { parent, debugObject, jobs }: Origin & { readonly jobs: readonly Job[] },
): Blocking<NtResult<EProcess>> {
  const created = yield* createUserProcess(k, guest, {
    parent,
    inheritHandles: request.inheritHandles,
    breakaway: request.breakaway,
    jobs,
    library: image.library,
    section: image.section,
    imagePath: request.parameters.imagePath,
    debug: { object: debugObject, noInherit: request.noDebugInherit },
    // eslint-disable-next-line require-yield
    *parameters(kernel, process) {
      return writeParameters(kernel, process, request.parameters);
    },
  });
  if (!created.ok) return created;
  const process = created.value;
  const mode = KeGetPreviousMode(k);
  const thread = yield* createInitialThread(k, guest, process, image.library, {
    createSuspended: request.suspended,
    handle: { desiredAccess: request.threadAccess, attributes: 0, mode },
  });
  if (!thread.ok) {
    yield* ObDereferenceObject(k, process);
    return thread;
  }
  const { tid, teb } = thread.value.thread;
  const { pid } = process;
  yield* ObDereferenceObject(k, thread.value.thread);
  const inserted = yield* ObInsertObject(k, process, { desiredAccess: request.processAccess, attributes: 0, mode });
  if (!inserted.ok) return inserted;
  const information = image.section.segment.image;
  const encoded = information === null ? null : encodeImageInformation(information.information, information.base);
  const user = capture(k);
  user.writeU32(request.processOut, inserted.value.handle);
  user.writeU32(request.threadOut, thread.value.handle);
  const written = writeAttributeResults(user, request.attributes, { pid, tid, teb, image: encoded });
  return NT_SUCCESS(written) ? created : failure(written);
}

export function createProcessServices(guest: () => X86Guest): readonly NtService[] {
  return [{ name: "NtCreateUserProcess", arguments: 11, handler: (k, a) => NtCreateUserProcess(k, guest(), a) }];
}
