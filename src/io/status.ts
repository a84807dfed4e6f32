/** Statuses that only the I/O manager and the file systems answer. */
import { type NtStatus, ntStatus } from "../abi/status.ts";

export const STATUS_NO_SUCH_DEVICE: NtStatus = ntStatus(0xc000000e);
export const STATUS_LOCK_NOT_GRANTED: NtStatus = ntStatus(0xc0000055);
export const STATUS_FILE_LOCK_CONFLICT: NtStatus = ntStatus(0xc0000054);
export const STATUS_SHARING_VIOLATION: NtStatus = ntStatus(0xc0000043);
export const STATUS_DELETE_PENDING: NtStatus = ntStatus(0xc0000056);
export const STATUS_RANGE_NOT_LOCKED: NtStatus = ntStatus(0xc000007e);
export const STATUS_DISK_FULL: NtStatus = ntStatus(0xc000007f);
export const STATUS_MEDIA_WRITE_PROTECTED: NtStatus = ntStatus(0xc00000a2);
export const STATUS_BAD_NETWORK_PATH: NtStatus = ntStatus(0xc00000be);
export const STATUS_NOT_SAME_DEVICE: NtStatus = ntStatus(0xc00000d4);
export const STATUS_DIRECTORY_NOT_EMPTY: NtStatus = ntStatus(0xc0000101);
export const STATUS_UNEXPECTED_IO_ERROR: NtStatus = ntStatus(0xc00000e9);
export const STATUS_NOT_A_REPARSE_POINT: NtStatus = ntStatus(0xc0000275);
