/** Statuses that only the registry answers; what other layers answer too is in the table of all layers. */
import { type NtStatus, ntStatus } from "../abi/status.ts";

export const STATUS_KEY_DELETED: NtStatus = ntStatus(0xc000017c);
export const STATUS_CHILD_MUST_BE_VOLATILE: NtStatus = ntStatus(0xc0000181);
