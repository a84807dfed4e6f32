/** Constants of memory management that user mode shares: page protections, allocation types, section attributes. */
import { type NtStatus, ntStatus } from "./status.ts";

export const PAGE_SIZE = 0x1000;
export const PAGE_SHIFT = 12;
/** Regions start at multiples of this. */
export const ALLOCATION_GRANULARITY = 0x10000;

export const PAGE_NOACCESS = 0x01;
export const PAGE_READONLY = 0x02;
export const PAGE_READWRITE = 0x04;
export const PAGE_WRITECOPY = 0x08;
export const PAGE_EXECUTE = 0x10;
export const PAGE_EXECUTE_READ = 0x20;
export const PAGE_EXECUTE_READWRITE = 0x40;
export const PAGE_EXECUTE_WRITECOPY = 0x80;
export const PAGE_GUARD = 0x100;
export const PAGE_NOCACHE = 0x200;

export const MEM_COMMIT = 0x1000;
export const MEM_RESERVE = 0x2000;
export const MEM_DECOMMIT = 0x4000;
export const MEM_RELEASE = 0x8000;
export const MEM_FREE = 0x10000;
export const MEM_PRIVATE = 0x20000;
export const MEM_MAPPED = 0x40000;
export const MEM_RESET = 0x80000;
export const MEM_TOP_DOWN = 0x100000;
export const MEM_WRITE_WATCH = 0x200000;
export const MEM_PHYSICAL = 0x400000;
export const MEM_IMAGE = 0x1000000;
export const MEM_LARGE_PAGES = 0x20000000;
export const MEM_DOS_LIM = 0x40000000;

export const SEC_BASED = 0x200000;
export const SEC_FILE = 0x800000;
export const SEC_IMAGE = 0x1000000;
export const SEC_RESERVE = 0x4000000;
export const SEC_COMMIT = 0x8000000;
export const SEC_NOCACHE = 0x10000000;
export const SEC_LARGE_PAGES = 0x80000000;

export const SECTION_QUERY = 0x01;
export const SECTION_MAP_WRITE = 0x02;
export const SECTION_MAP_READ = 0x04;
export const SECTION_MAP_EXECUTE = 0x08;
export const SECTION_EXTEND_SIZE = 0x10;
export const SECTION_ALL_ACCESS = 0xf001f;

/** `SECTION_INHERIT`. */
export const ViewShare = 1;
export const ViewUnmap = 2;

/** The lowest address a region may have: what is below stays free, so that null pointers fault. */
export const MM_LOWEST_USER_ADDRESS = 0x10000;
/** The highest address that a region of the program may cover; the shared page and its guard lie above it. */
export const MM_HIGHEST_VAD_ADDRESS = 0x7ffdffff;
/** The highest address of user mode. */
export const MM_HIGHEST_USER_ADDRESS = 0x7ffeffff;
/** Where probing fails: nothing at or above it is user memory. */
export const MM_USER_PROBE_ADDRESS = 0x7fff0000;

export const STATUS_PAGEFILE_QUOTA: NtStatus = ntStatus(0xc0000007);
export const STATUS_UNABLE_TO_DELETE_SECTION: NtStatus = ntStatus(0xc000001b);
export const STATUS_ALREADY_COMMITTED: NtStatus = ntStatus(0xc0000021);
export const STATUS_SECTION_NOT_IMAGE: NtStatus = ntStatus(0xc0000049);
export const STATUS_INVALID_PARAMETER_8: NtStatus = ntStatus(0xc00000f6);
export const STATUS_INVALID_PARAMETER_9: NtStatus = ntStatus(0xc00000f7);
export const STATUS_MAPPED_FILE_SIZE_ZERO: NtStatus = ntStatus(0xc000011e);
export const STATUS_MAPPED_ALIGNMENT: NtStatus = ntStatus(0xc0000220);
export const STATUS_PARTIAL_COPY: NtStatus = ntStatus(0x8000000d);
