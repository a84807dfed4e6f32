/** Statuses that only security services answer; what other layers answer too is in the table of all layers. */
import { type NtStatus, ntStatus } from "../abi/status.ts";

export const STATUS_NOT_ALL_ASSIGNED: NtStatus = ntStatus(0x00000106);
export const STATUS_NO_TOKEN: NtStatus = ntStatus(0xc000007c);
export const STATUS_BAD_IMPERSONATION_LEVEL: NtStatus = ntStatus(0xc00000a5);
export const STATUS_BAD_TOKEN_TYPE: NtStatus = ntStatus(0xc00000a8);
export const STATUS_CANT_OPEN_ANONYMOUS: NtStatus = ntStatus(0xc00000a6);
