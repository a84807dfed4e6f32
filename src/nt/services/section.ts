/**
 * System services on sections and their views: capture, call the memory manager, write back. A file or process that a
 * handle names is referenced until the call is over.
 */
import { SEC_IMAGE, SECTION_MAP_EXECUTE, SECTION_MAP_READ, SECTION_MAP_WRITE, SECTION_QUERY } from "../../abi/mm.ts";
import { PROCESS_VM_OPERATION } from "../../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import { DbgkMapViewOfSection, DbgkUnMapViewOfSection } from "../../dbgk/report.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { Kernel } from "../../kernel.ts";
import {
  MmCreateSection,
  MmGetImageInformation,
  MmQuerySection,
  type SectionFile,
  type SectionObject,
} from "../../mm/section.ts";
import type { ImageInformation } from "../../mm/image.ts";
import { accessForProtection } from "../../mm/protection.ts";
import { imageViewAt } from "../../mm/imageview.ts";
import { type MappedView, type MapViewArguments, MmMapViewOfSection, MmUnmapViewOfSection } from "../../mm/view.ts";
import type { ObjectAttributes } from "../../ob/lookup.ts";
import { ObReferenceObjectByHandle } from "../../ob/handle.ts";
import { ObInsertObject, ObOpenObjectByName } from "../../ob/insert.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { PsCallImageNotifyRoutines } from "../../ps/imagenotify.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { Blocking } from "../../sim/blocking.ts";
import {
  answer,
  answerQuery,
  capture,
  Encoder,
  ownProcess,
  probeOut,
  readObjectAttributes,
  referenceProcess,
  isOwnProcess,
} from "../capture.ts";
import { referenceSectionFile } from "../sectionfile.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";

function NtCreateSection(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, sizePointer = 0, protection = 0, attributes = 0, file = 0] =
    a;
  const user = capture(k);
  probeOut(user, out);
  const size = sizePointer === 0 ? 0 : Number(BigInt.asUintN(53, user.readU64(sizePointer)));
  const named = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!named.ok) return named.status;
  return createSection(k, out, { desiredAccess, named: named.value, size, protection, attributes, file });
}

interface SectionRequest {
  readonly desiredAccess: number;
  readonly named: ObjectAttributes;
  readonly size: number;
  readonly protection: number;
  readonly attributes: number;
  readonly file: number;
}

function* createSection(k: Kernel, out: number, request: SectionRequest): Blocking<NtStatus> {
  const { protection, attributes } = request;
  let file: SectionFile | null = null;
  if (request.file !== 0) {
    const opened = referenceSectionFile(k, request.file, { image: (attributes & SEC_IMAGE) !== 0 });
    if (!opened.ok) return opened.status;
    file = opened.value;
  }
  const section = MmCreateSection(k, { maximumSize: request.size, protection, attributes, file });
  if (file?.object) yield* ObDereferenceObject(k, file.object);
  if (!section.ok) return section.status;
  const { named, desiredAccess } = request;
  const inserted = yield* ObInsertObject(k, section.value, { desiredAccess, mode: KeGetPreviousMode(k), ...named });
  if (!inserted.ok) return inserted.status;
  const written = answer(k, out, success(inserted.value.handle));
  return written === STATUS_SUCCESS ? inserted.value.status : written;
}

function* NtOpenSection(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const named = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!named.ok) return named.status;
  const options = { desiredAccess, mode: KeGetPreviousMode(k), type: k.mm.sectionType };
  return answer(k, out, yield* ObOpenObjectByName(k, named.value, options));
}

function referenceSection(k: Kernel, handle: number, access: number): NtResult<SectionObject> {
  return ObReferenceObjectByHandle<SectionObject>(k, handle, access, k.mm.sectionType, KeGetPreviousMode(k));
}

/** The access that a view of that protection needs. */
function mapAccess(protection: number): number {
  const known = accessForProtection(protection);
  return (known === 0 ? SECTION_MAP_READ : known) & (SECTION_MAP_READ | SECTION_MAP_WRITE | SECTION_MAP_EXECUTE);
}

function* NtMapViewOfSection(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, processHandle = 0, basePointer = 0, zeroBits = 0] = a;
  const [, , , , , offsetPointer = 0, sizePointer = 0, inheritDisposition = 0, allocationType = 0, protection = 0] = a;
  const user = capture(k);
  const base = user.readU32(basePointer);
  const viewSize = user.readU32(sizePointer);
  const offset = offsetPointer === 0 ? 0 : Number(BigInt.asUintN(53, user.readU64(offsetPointer)));
  if (user.faulted) return user.status;
  const section = referenceSection(k, handle, mapAccess(protection));
  if (!section.ok) return section.status;
  const view = { base, zeroBits, offset, viewSize, inheritDisposition, allocationType, protection };
  const mapped = yield* withProcess(k, processHandle, (process) => mapView(k, process, section.value, view));
  yield* ObDereferenceObject(k, section.value);
  if (!mapped.ok) return mapped.status;
  const result = capture(k);
  result.writeU32(basePointer, mapped.value.base);
  result.writeU32(sizePointer, mapped.value.size);
  if (offsetPointer !== 0) result.writeU64(offsetPointer, BigInt(offset));
  return result.faulted ? result.status : mapped.value.status;
}

/** Maps a view, and tells drivers and the debugger of an image. */
function* mapView(
  k: Kernel,
  process: EProcess,
  section: SectionObject,
  view: MapViewArguments,
): Blocking<NtResult<MappedView>> {
  const mapped = MmMapViewOfSection(k, process, section, view);
  if (!mapped.ok || section.segment.image === null) return mapped;
  const { base, size } = mapped.value;
  yield* PsCallImageNotifyRoutines(k, section.fileName, process.pid, { imageBase: base, imageSize: size });
  if (process.debugPort !== null) yield* DbgkMapViewOfSection(k, process, base);
  return mapped;
}

/** Runs `act` on the process of a handle, without a reference if it is the caller's own. */
function* withProcess<T>(
  k: Kernel,
  handle: number,
  act: (process: EProcess) => Blocking<NtResult<T>>,
): Blocking<NtResult<T>> {
  if (isOwnProcess(handle)) return yield* act(ownProcess(k));
  const process = referenceProcess(k, handle, PROCESS_VM_OPERATION);
  if (!process.ok) return failure(process.status);
  const result = yield* act(process.value);
  yield* ObDereferenceObject(k, process.value);
  return result;
}

function* NtUnmapViewOfSection(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, address = 0] = a;
  if (isOwnProcess(handle)) return yield* unmapView(k, ownProcess(k), address);
  const process = referenceProcess(k, handle, PROCESS_VM_OPERATION);
  if (!process.ok) return process.status;
  const status = yield* unmapView(k, process.value, address);
  yield* ObDereferenceObject(k, process.value);
  return status;
}

/** Unmaps a view, and tells the debugger of an image. */
function* unmapView(k: Kernel, process: EProcess, address: number): Blocking<NtStatus> {
  const image = process.debugPort === null ? null : imageViewAt(process, address);
  const status = yield* MmUnmapViewOfSection(k, process, address);
  if (image !== null && status === STATUS_SUCCESS) yield* DbgkUnMapViewOfSection(k, process, image.base);
  return status;
}

const SECTION_BASIC_INFORMATION_BYTES = 16;
const SECTION_IMAGE_INFORMATION_BYTES = 48;

function* NtQuerySection(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  if (informationClass > 1) {
    notImplemented(k, `NtQuerySection class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  const needed = informationClass === 0 ? SECTION_BASIC_INFORMATION_BYTES : SECTION_IMAGE_INFORMATION_BYTES;
  if (length < needed) return STATUS_INFO_LENGTH_MISMATCH;
  const section = referenceSection(k, handle, SECTION_QUERY);
  if (!section.ok) return section.status;
  const result = informationClass === 0 ? success(encodeBasic(section.value)) : encodeImage(section.value);
  yield* ObDereferenceObject(k, section.value);
  return answerQuery(k, { address, length, returnLength }, result, STATUS_INFO_LENGTH_MISMATCH);
}

function encodeBasic(section: SectionObject): Uint8Array {
  const basic = MmQuerySection(section);
  return new Encoder(SECTION_BASIC_INFORMATION_BYTES)
    .u32(0, basic.base)
    .u32(4, basic.attributes)
    .u64(8, BigInt(basic.sizeBytes)).bytes;
}

function encodeImage(section: SectionObject): NtResult<Uint8Array> {
  const information = MmGetImageInformation(section);
  if (!information.ok) return information;
  const base = section.segment.image?.base ?? 0;
  return success(encodeImageInformation(information.value, base));
}

/** `SECTION_IMAGE_INFORMATION` of an image that wants to be at `base`. */
export function encodeImageInformation(information: ImageInformation, base: number): Uint8Array {
  const { subsystemMajorVersion: major, subsystemMinorVersion: minor } = information;
  return new Encoder(SECTION_IMAGE_INFORMATION_BYTES)
    .u32(0, base + information.entryPoint)
    .u32(8, information.stackReserve)
    .u32(12, information.stackCommit)
    .u32(16, information.subsystem)
    .u16(20, minor)
    .u16(22, major)
    .u16(28, information.characteristics)
    .u16(30, information.dllCharacteristics)
    .u16(32, information.machine)
    .u8(34, information.containsCode ? 1 : 0)
    .u32(36, information.loaderFlags)
    .u32(40, information.fileSize)
    .u32(44, information.checkSum).bytes;
}

export const sectionServices: readonly NtService[] = [
  { name: "NtCreateSection", arguments: 7, handler: NtCreateSection },
  { name: "NtOpenSection", arguments: 3, handler: NtOpenSection },
  { name: "NtMapViewOfSection", arguments: 10, handler: NtMapViewOfSection },
  { name: "NtUnmapViewOfSection", arguments: 2, handler: NtUnmapViewOfSection },
  { name: "NtQuerySection", arguments: 5, handler: NtQuerySection },
];
