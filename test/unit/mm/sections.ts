/** Sections and views for the tests of sections: the usual arguments, and a second process to share them with. */
import {
  PAGE_EXECUTE_READ,
  PAGE_READONLY,
  PAGE_READWRITE,
  SEC_COMMIT,
  SEC_IMAGE,
  ViewUnmap,
} from "../../../src/abi/mm.ts";
import { STATUS_ACCESS_VIOLATION, success } from "../../../src/abi/status.ts";
import type { MmProcess } from "../../../src/mm/process.ts";
import {
  type CreateSectionArguments,
  MmCreateSection,
  type SectionFile,
  type SectionObject,
} from "../../../src/mm/section.ts";
import type { ByteSource } from "../../../src/mm/segment.ts";
import { type MapViewArguments, MmMapViewOfSection, MmUnmapViewOfSection } from "../../../src/mm/view.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { testImage } from "../../support/image.ts";
import { valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";

export const MEMORY: CreateSectionArguments = {
  maximumSize: 0x4000,
  protection: PAGE_READWRITE,
  attributes: SEC_COMMIT,
  file: null,
};
export const WHOLE: MapViewArguments = {
  base: 0,
  zeroBits: 0,
  offset: 0,
  viewSize: 0,
  inheritDisposition: ViewUnmap,
  allocationType: 0,
  protection: PAGE_READWRITE,
};
export const VIOLATION: Exception = new Exception(STATUS_ACCESS_VIOLATION);

export function create(m: MemoryMachine, args: Partial<CreateSectionArguments> = {}): SectionObject {
  return valueOf(MmCreateSection(m.k, { ...MEMORY, ...args }));
}

export function map(
  m: MemoryMachine,
  section: SectionObject,
  args: Partial<MapViewArguments> = {},
  process?: MmProcess,
): number {
  return valueOf(MmMapViewOfSection(m.k, process ?? m.process, section, { ...WHOLE, ...args })).base;
}

export function unmap(m: MemoryMachine, address: number): number {
  return m.call(MmUnmapViewOfSection(m.k, m.process, address));
}

export function drop(m: MemoryMachine, section: SectionObject): void {
  m.call(ObDereferenceObject(m.k, section));
}

function fileOf(source: ByteSource, identity: string | null = "file"): SectionFile {
  return { object: null, name: "\\file", identity, source };
}

export function dataFile(source: ByteSource, protection = PAGE_READONLY): Partial<CreateSectionArguments> {
  return { maximumSize: 0, protection, file: fileOf(source) };
}

export function imageFile(base: number, identity: string | null = "image"): Partial<CreateSectionArguments> {
  const file = { object: null, name: "\\image", identity, image: success(testImage(base)) };
  return { maximumSize: 0, protection: PAGE_EXECUTE_READ, attributes: SEC_IMAGE, file };
}

export function secondProcess(m: MemoryMachine): MmProcess {
  return m.newProcess();
}

/** Runs `act` in a thread of the other process. */
export function inside<T>(m: MemoryMachine, process: MmProcess, act: () => T): T {
  m.enter(m.newThread(process));
  const answer = act();
  m.enter(m.thread);
  return answer;
}
