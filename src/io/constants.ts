/** Access rights, options and attribute bits of files, as user mode passes them. */
import type { GenericMapping } from "../abi/ob.ts";

export const FILE_READ_DATA = 0x0001;
export const FILE_WRITE_DATA = 0x0002;
export const FILE_APPEND_DATA = 0x0004;
export const FILE_LIST_DIRECTORY = 0x0001;
export const FILE_EXECUTE = 0x0020;
export const FILE_READ_ATTRIBUTES = 0x0080;
export const FILE_WRITE_ATTRIBUTES = 0x0100;
export const FILE_ALL_ACCESS = 0x001f_01ff;
/** Rights that change a file; a file that must not change refuses them. */
export const FILE_WRITE_RIGHTS: number = FILE_WRITE_DATA | FILE_APPEND_DATA;

/** How generic rights map to those of a file. */
export const FILE_GENERIC_MAPPING: GenericMapping = {
  read: 0x0012_0089,
  write: 0x0012_0116,
  execute: 0x0012_00a0,
  all: FILE_ALL_ACCESS,
};

export const FILE_SHARE_READ = 1;
export const FILE_SHARE_WRITE = 2;
export const FILE_SHARE_DELETE = 4;

/** `CreateDisposition`. */
export const CreateDisposition = { Supersede: 0, Open: 1, Create: 2, OpenIf: 3, Overwrite: 4, OverwriteIf: 5 } as const;

/** What `IO_STATUS_BLOCK.Information` says after an open. */
export const OpenInformation = {
  Superseded: 0,
  Opened: 1,
  Created: 2,
  Overwritten: 3,
  Exists: 4,
  DoesNotExist: 5,
} as const;

export const FILE_DIRECTORY_FILE = 0x0000_0001;
const FILE_WRITE_THROUGH = 0x0000_0002;
const FILE_SEQUENTIAL_ONLY = 0x0000_0004;
export const FILE_NO_INTERMEDIATE_BUFFERING = 0x0000_0008;
export const FILE_SYNCHRONOUS_IO_ALERT = 0x0000_0010;
export const FILE_SYNCHRONOUS_IO_NONALERT = 0x0000_0020;
export const FILE_NON_DIRECTORY_FILE = 0x0000_0040;
export const FILE_COMPLETE_IF_OPLOCKED = 0x0000_0100;
export const FILE_DELETE_ON_CLOSE = 0x0000_1000;
export const FILE_OPEN_BY_FILE_ID = 0x0000_2000;
export const FILE_RESERVE_OPFILTER = 0x0010_0000;
export const FILE_VALID_OPTION_FLAGS = 0x00ff_ffff;
/** Options that `FileModeInformation` reports. */
export const FILE_MODE_FLAGS: number =
  FILE_WRITE_THROUGH |
  FILE_SEQUENTIAL_ONLY |
  FILE_NO_INTERMEDIATE_BUFFERING |
  FILE_SYNCHRONOUS_IO_ALERT |
  FILE_SYNCHRONOUS_IO_NONALERT |
  FILE_DELETE_ON_CLOSE;

export const FILE_ATTRIBUTE_READONLY = 0x01;
export const FILE_ATTRIBUTE_HIDDEN = 0x02;
export const FILE_ATTRIBUTE_SYSTEM = 0x04;
export const FILE_ATTRIBUTE_DIRECTORY = 0x10;
export const FILE_ATTRIBUTE_ARCHIVE = 0x20;
export const FILE_ATTRIBUTE_NORMAL = 0x80;
export const FILE_ATTRIBUTE_TEMPORARY = 0x100;
const FILE_ATTRIBUTE_NOT_CONTENT_INDEXED = 0x2000;
export const FILE_ATTRIBUTE_VALID_FLAGS = 0x7fb7;
/** Attributes that a caller may set. */
export const FILE_ATTRIBUTE_SETTABLE: number =
  FILE_ATTRIBUTE_READONLY |
  FILE_ATTRIBUTE_HIDDEN |
  FILE_ATTRIBUTE_SYSTEM |
  FILE_ATTRIBUTE_ARCHIVE |
  FILE_ATTRIBUTE_TEMPORARY |
  FILE_ATTRIBUTE_NOT_CONTENT_INDEXED;

/** `DEVICE_TYPE`. */
export const FILE_DEVICE_DISK = 0x07;
export const FILE_DEVICE_NAMED_PIPE = 0x11;
export const FILE_DEVICE_NULL = 0x15;
export const FILE_DEVICE_UNKNOWN = 0x22;

/** `Position` values that are not positions: use the file pointer, write at the end. */
export const FILE_USE_FILE_POINTER_POSITION = -2n;
export const FILE_WRITE_TO_END_OF_FILE = -1n;

export const SECTOR_BYTES = 512;
export const CLUSTER_BYTES = 4096;
/** `MAXIMUM_FILENAME_LENGTH` of one component. */
export const MAXIMUM_COMPONENT_LENGTH = 255;
