/** Mapping a whole section where the kernel likes: images, and the read-only tables that every process gets. */
import { PAGE_READONLY, SEC_COMMIT, ViewUnmap } from "../abi/mm.ts";
import type { NtResult } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { MmCreateSection, type SectionObject } from "../mm/section.ts";
import type { ByteSource } from "../mm/segment.ts";
import { type MappedView, MmMapViewOfSection } from "../mm/view.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { EProcess } from "../ps/objects.ts";
import type { Blocking } from "../sim/blocking.ts";

export function mapWholeSection(
  k: Kernel,
  process: EProcess,
  section: SectionObject,
  protection: number,
): NtResult<MappedView> {
  return MmMapViewOfSection(k, process, section, {
    base: 0,
    zeroBits: 0,
    offset: 0,
    viewSize: 0,
    inheritDisposition: ViewUnmap,
    allocationType: 0,
    protection,
  });
}

/** Maps bytes that never change; processes that map the same `name` share their pages. */
export function* mapReadOnlyBytes(
  k: Kernel,
  process: EProcess,
  name: string,
  bytes: Uint8Array,
): Blocking<NtResult<MappedView>> {
  const section = MmCreateSection(k, {
    maximumSize: 0,
    protection: PAGE_READONLY,
    attributes: SEC_COMMIT,
    file: { object: null, name, identity: name, source: sourceOf(bytes) },
  });
  if (!section.ok) return section;
  const view = mapWholeSection(k, process, section.value, PAGE_READONLY);
  yield* ObDereferenceObject(k, section.value);
  return view;
}

function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.length,
    read: (offset, target) => {
      const piece = bytes.subarray(offset, offset + target.length);
      target.set(piece);
      return piece.length;
    },
  };
}
