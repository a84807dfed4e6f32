/** Object attributes, generic rights, and the rights of the object types that every machine has. */
import { SYNCHRONIZE } from "./ps.ts";

/** `OBJ_*`, of `OBJECT_ATTRIBUTES.Attributes`. */
export const OBJ_PROTECT_CLOSE = 0x001;
export const OBJ_INHERIT = 0x002;
export const OBJ_PERMANENT = 0x010;
export const OBJ_EXCLUSIVE = 0x020;
export const OBJ_CASE_INSENSITIVE = 0x040;
export const OBJ_OPENIF = 0x080;
export const OBJ_OPENLINK = 0x100;
export const OBJ_KERNEL_HANDLE = 0x200;

/** Set in every handle of the kernel's own table. */
export const KERNEL_HANDLE_FLAG = 0x80000000;

export const DUPLICATE_CLOSE_SOURCE = 1;
export const DUPLICATE_SAME_ACCESS = 2;
export const DUPLICATE_SAME_ATTRIBUTES = 4;

export const DELETE = 0x00010000;
export const READ_CONTROL = 0x00020000;
export const STANDARD_RIGHTS_REQUIRED = 0x000f0000;
export const ACCESS_SYSTEM_SECURITY = 0x01000000;
export const MAXIMUM_ALLOWED = 0x02000000;
export const GENERIC_ALL = 0x10000000;
export const GENERIC_EXECUTE = 0x20000000;
export const GENERIC_WRITE = 0x40000000;
export const GENERIC_READ = 0x80000000;

/** `GENERIC_MAPPING`: what the four generic rights mean for a type. */
export interface GenericMapping {
  readonly read: number;
  readonly write: number;
  readonly execute: number;
  readonly all: number;
}

export const DIRECTORY_QUERY = 0x1;
export const DIRECTORY_TRAVERSE = 0x2;
export const DIRECTORY_CREATE_OBJECT = 0x4;
export const DIRECTORY_CREATE_SUBDIRECTORY = 0x8;
export const DIRECTORY_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | 0xf;

export const SYMBOLIC_LINK_QUERY = 0x1;
export const SYMBOLIC_LINK_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | 0x1;

export const OBJECT_TYPE_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | 0x1;

export const EVENT_QUERY_STATE = 0x1;
export const EVENT_MODIFY_STATE = 0x2;
export const EVENT_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3;

export const MUTANT_QUERY_STATE = 0x1;
export const MUTANT_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x1;

export const SEMAPHORE_QUERY_STATE = 0x1;
export const SEMAPHORE_MODIFY_STATE = 0x2;
export const SEMAPHORE_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3;

export const TIMER_QUERY_STATE = 0x1;
export const TIMER_MODIFY_STATE = 0x2;
export const TIMER_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3;

export const KEYEDEVENT_WAIT = 0x1;
export const KEYEDEVENT_WAKE = 0x2;
export const KEYEDEVENT_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | 0x3;
