/**
 * Port views: sections that the two sides of a connection share, for what is too large for a message. Each side's
 * section is mapped into both processes when the server accepts.
 *
 * Invariant: a view that a port made goes with the port, unless the guest has taken it away before.
 */
import { PAGE_READWRITE, PAGE_SIZE, SECTION_MAP_READ, SECTION_MAP_WRITE, ViewUnmap } from "../abi/mm.ts";
import { failure, type NtResult, success } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { MmProcess } from "../mm/process.ts";
import type { SectionObject } from "../mm/section.ts";
import { MmMapViewOfSection, MmUnmapViewOfSection } from "../mm/view.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { LpcPort } from "./port.ts";
import { homeProcess, type LpcThread } from "./thread.ts";

/** What one side asks to share (`PORT_VIEW`). */
export interface PortViewRequest {
  readonly sectionHandle: number;
  /** Multiple of 64 KiB. */
  readonly sectionOffset: number;
  /** Bytes; 0 to the end of the section. */
  readonly viewSize: number;
}

/** A section to share, referenced. */
export interface SharedSection {
  readonly section: SectionObject;
  readonly offset: number;
  readonly viewSize: number;
}

/** Where a view lies. */
export interface MappedPortView {
  readonly base: number;
  readonly size: number;
}

/** A view that goes with a port. The process is only compared with, and asked for its memory, which may be gone. */
export interface PortMapping {
  readonly process: MmProcess;
  readonly section: SectionObject;
  readonly base: number;
}

/** The section of a request, referenced. @returns errors of the handle */
export function referenceSharedSection(k: Kernel, request: PortViewRequest): NtResult<SharedSection> {
  const { sectionType } = k.mm;
  assert(sectionType !== null, "memory management was set up before any section was named");
  const access = SECTION_MAP_READ | SECTION_MAP_WRITE;
  const section = ObReferenceObjectByHandle<SectionObject>(
    k,
    request.sectionHandle,
    access,
    sectionType,
    KeGetPreviousMode(k),
  );
  if (!section.ok) return section;
  return success({ section: section.value, offset: request.sectionOffset, viewSize: request.viewSize });
}

/** Maps a section for a port. @returns errors of the mapping */
export function mapForPort(
  k: Kernel,
  port: LpcPort,
  owner: LpcThread,
  shared: SharedSection,
): NtResult<MappedPortView> {
  const process = homeProcess(owner);
  assert(process instanceof MmProcess, "every process is memory management's");
  const mapped = MmMapViewOfSection(k, process, shared.section, {
    base: 0,
    zeroBits: 0,
    offset: shared.offset,
    viewSize: shared.viewSize,
    inheritDisposition: ViewUnmap,
    allocationType: 0,
    protection: PAGE_READWRITE,
  });
  if (!mapped.ok) return failure(mapped.status);
  const { base, size } = mapped.value;
  port.mappings.push({ process, section: shared.section, base });
  return success({ base, size });
}

/** Takes away the views that a port made. */
export function* unmapViews(k: Kernel, port: LpcPort): Blocking<void> {
  for (const { process, section, base } of port.mappings.splice(0)) {
    const vad = process.addressSpace?.find(base) ?? null;
    const ours = vad !== null && vad.view?.section === section && vad.startPage * PAGE_SIZE === base;
    if (ours) yield* MmUnmapViewOfSection(k, process, base);
  }
}
