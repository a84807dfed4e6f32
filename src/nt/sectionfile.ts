/** From a file handle to what a section needs of the file. */
import { failure, type NtResult, STATUS_INVALID_FILE_FOR_SECTION, success } from "../abi/status.ts";
import { FILE_READ_DATA } from "../io/constants.ts";
import type { FileObject } from "../io/file.ts";
import { IoFileObjectType } from "../io/openfile.ts";
import { IoGetFileBytes, IoReadWholeFile } from "../io/section.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import type { SharedImage } from "../mm/image.ts";
import type { SectionFile } from "../mm/section.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";

/**
 * The file of a new section; its object is referenced for the caller.
 * @returns INVALID_FILE_FOR_SECTION for what is no file; errors of the handle
 */
export function referenceSectionFile(
  k: Kernel,
  handle: number,
  options: { readonly image: boolean },
): NtResult<SectionFile> {
  const mode = KeGetPreviousMode(k);
  // Windows wants the right to execute for images; Wine's loader opens them for reading only.
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_READ_DATA, IoFileObjectType(k), mode);
  if (!file.ok) return file;
  const bytes = IoGetFileBytes(file.value);
  const base = { object: file.value, name: file.value.fileName };
  // What is no file is refused by the section, which then drops the reference as for any other failure.
  if (bytes === null) return success({ ...base, identity: null, image: failure(STATUS_INVALID_FILE_FOR_SECTION) });
  if (options.image) return success({ ...base, identity: bytes.identity, image: imageOf(k, file.value) });
  return success({ ...base, identity: bytes.identity, source: bytes });
}

function imageOf(k: Kernel, file: FileObject): NtResult<SharedImage> {
  const bytes = IoReadWholeFile(file);
  return bytes === null ? failure(STATUS_INVALID_FILE_FOR_SECTION) : k.nt.parseImage(bytes);
}
