/**
 * What a debugger is told of an image: a file of its own to read, and where the symbols are. The headers are read where
 * the image is mapped, so the program may have changed them: they are guarded and only passed on.
 */
import { SYNCHRONIZE } from "../abi/ps.ts";
import { OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { FILE_SYNCHRONOUS_IO_NONALERT } from "../io/constants.ts";
import { IoOpenFile } from "../io/createfile.ts";
import { FileObject } from "../io/file.ts";
import type { Kernel } from "../kernel.ts";
import { imageViewAt } from "../mm/imageview.ts";
import { UserMemory } from "../mm/usermemory.ts";
import { pathOf } from "../ob/directory.ts";
import type { EProcess } from "../ps/objects.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { ReportedImage } from "./objects.ts";

/** `FILE_GENERIC_READ`. */
export const FILE_GENERIC_READ: number = 0x00020089 | SYNCHRONIZE;

const DOS_HEADER_NT_OFFSET = 0x3c;
const NT_POINTER_TO_SYMBOL_TABLE = 0x0c;
const NT_NUMBER_OF_SYMBOLS = 0x10;

/** Describes the image at `base`; its file is referenced for the caller. */
export function* describeImage(k: Kernel, process: EProcess, base: number): Blocking<ReportedImage> {
  const file = yield* openImageFile(k, process, base);
  const user = new UserMemory(k, process);
  const header = base + user.readU32(base + DOS_HEADER_NT_OFFSET);
  const debugInfoFileOffset = user.readU32((header + NT_POINTER_TO_SYMBOL_TABLE) >>> 0);
  const debugInfoSize = user.readU32((header + NT_NUMBER_OF_SYMBOLS) >>> 0);
  return user.faulted
    ? { file, base, debugInfoFileOffset: 0, debugInfoSize: 0 }
    : { file, base, debugInfoFileOffset, debugInfoSize };
}

/** The full name of the file behind an image; empty if it has none. */
function fileNameAt(process: EProcess, base: number): string {
  const section = imageViewAt(process, base)?.section;
  if (section === undefined) return "";
  const { file, fileName } = section;
  if (!(file instanceof FileObject)) return fileName;
  const device = pathOf(file.device);
  return device === null ? "" : device + file.fileName;
}

/** Opens the file behind an image anew, as the debugger would. @returns null if there is none by that name any more */
function* openImageFile(k: Kernel, process: EProcess, base: number): Blocking<ObjectBody | null> {
  const name = fileNameAt(process, base);
  if (name === "") return null;
  const attributes = { rootDirectory: 0, name, attributes: OBJ_CASE_INSENSITIVE };
  const request = { options: FILE_SYNCHRONOUS_IO_NONALERT };
  const file = yield* IoOpenFile(k, attributes, { access: FILE_GENERIC_READ, request });
  return file.ok ? file.value : null;
}
