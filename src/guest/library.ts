/** Program files in the form in which sections take them. Parsed once, shared by all machines of the host process. */
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import type { Kernel } from "../kernel.ts";
import { createSharedImage, type ImageLayout, type SharedImage } from "../mm/image.ts";
import { MmCreateSection, type SectionObject } from "../mm/section.ts";
import { PAGE_EXECUTE, SEC_IMAGE } from "../abi/mm.ts";
import { type NtResult, success } from "../abi/status.ts";
import { IMAGE_FILE_MACHINE_I386, type Refusal } from "./peheaders.ts";
import { IMAGE_SCN_MEM_SHARED, parseImage, type PeImage } from "./pe.ts";

export interface Library {
  /** Lower case, without a path. */
  readonly name: string;
  readonly pe: PeImage;
  readonly shared: SharedImage;
}

export type LibraryResult = { readonly ok: true; readonly value: Library } | Refusal;

/** Parses a program file. @returns the reason, in words, if it cannot run here */
export function loadLibrary(name: string, bytes: Uint8Array): LibraryResult {
  const parsed = parseImage(bytes);
  if (!parsed.ok) return parsed;
  return { ok: true, value: { name, pe: parsed.value, shared: createSharedImage(layoutOf(parsed.value)) } };
}

function layoutOf(pe: PeImage): ImageLayout {
  return {
    base: pe.base,
    size: pe.size,
    headersSize: pe.headersSize,
    bytes: pe.bytes,
    sections: pe.sections.map((section) => ({
      firstPage: section.va >>> PAGE_SHIFT,
      pageCount: Math.ceil(section.span / PAGE_SIZE),
      protection: section.protection,
      shared: (section.characteristics & IMAGE_SCN_MEM_SHARED) !== 0,
    })),
    information: {
      entryPoint: pe.entry,
      stackReserve: pe.stackReserve,
      stackCommit: pe.stackCommit,
      subsystem: pe.subsystem,
      subsystemMajorVersion: pe.subsystemMajorVersion,
      subsystemMinorVersion: pe.subsystemMinorVersion,
      characteristics: pe.characteristics,
      dllCharacteristics: pe.dllCharacteristics,
      machine: IMAGE_FILE_MACHINE_I386,
      containsCode: pe.entry !== 0,
      loaderFlags: 0,
      fileSize: pe.bytes.length,
      checkSum: pe.checkSum,
    },
    pageSource: (page) => pe.pageSource(page),
  };
}

/** An image section over a library that no file object stands for. @returns the section, with one reference */
export function createImageSection(k: Kernel, library: Library, path: string): NtResult<SectionObject> {
  const file = { object: null, name: path, identity: path.toLowerCase(), image: success(library.shared) };
  return MmCreateSection(k, { maximumSize: 0, protection: PAGE_EXECUTE, attributes: SEC_IMAGE, file });
}
