/**
 * Page protections: which are legal, and what they mean to the processor.
 *
 * The processor has no no-execute bit, so a page that can be read can be executed. Execute rights are kept, checked for
 * legality and reported, and not enforced: a jump into a data page runs.
 */
import {
  PAGE_EXECUTE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_READWRITE,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_NOCACHE,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SECTION_MAP_EXECUTE,
  SECTION_MAP_READ,
  SECTION_MAP_WRITE,
} from "../abi/mm.ts";

/** The access rights of a protection, without its modifiers. */
const ACCESS_MASK = 0xff;
const LEGAL = 0x3ff;
const WRITABLE = PAGE_READWRITE | PAGE_EXECUTE_READWRITE;
const COPIED = PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY;
const EXECUTABLE = PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;

/** Exactly one access right; modifiers only where NT has them. */
export function isValidProtection(protection: number): boolean {
  if ((protection & ~LEGAL) !== 0) return false;
  const access = protection & ACCESS_MASK;
  if (access === 0 || (access & (access - 1)) !== 0) return false;
  return access !== PAGE_NOACCESS || (protection & (PAGE_GUARD | PAGE_NOCACHE)) === 0;
}

export function isWriteCopy(protection: number): boolean {
  return (protection & COPIED) !== 0;
}

/** Writable without a copy. */
export function isWritable(protection: number): boolean {
  return (protection & WRITABLE) !== 0;
}

export function isReadable(protection: number): boolean {
  return (protection & PAGE_NOACCESS) === 0 && (protection & ACCESS_MASK) !== 0;
}

/** What a protection becomes when its page has been copied for the process. */
export function afterCopy(protection: number): number {
  if ((protection & PAGE_WRITECOPY) !== 0) return (protection & ~PAGE_WRITECOPY) | PAGE_READWRITE;
  if ((protection & PAGE_EXECUTE_WRITECOPY) !== 0) {
    return (protection & ~PAGE_EXECUTE_WRITECOPY) | PAGE_EXECUTE_READWRITE;
  }
  return protection;
}

/** What write access to an image page means: the image in the file is never written. */
export function asWriteCopy(protection: number): number {
  if ((protection & PAGE_READWRITE) !== 0) return (protection & ~PAGE_READWRITE) | PAGE_WRITECOPY;
  if ((protection & PAGE_EXECUTE_READWRITE) !== 0) {
    return (protection & ~PAGE_EXECUTE_READWRITE) | PAGE_EXECUTE_WRITECOPY;
  }
  return protection;
}

/**
 * Whether a view of a section with `sectionProtection` may have `protection`. Execute rights are not told apart from read
 * rights here, because the processor does not; copying is always allowed where reading is.
 */
export function isCompatibleWithSection(protection: number, sectionProtection: number): boolean {
  return !isWritable(protection) || isWritable(sectionProtection);
}

/** The rights on a section's handle that a view with this protection needs. */
export function accessForProtection(protection: number): number {
  if (isWritable(protection)) return SECTION_MAP_WRITE | ((protection & EXECUTABLE) !== 0 ? SECTION_MAP_EXECUTE : 0);
  if ((protection & EXECUTABLE) !== 0) return SECTION_MAP_EXECUTE;
  return SECTION_MAP_READ;
}
