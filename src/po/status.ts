/** Statuses that only the power manager answers. */
import { type NtStatus, ntStatus } from "../abi/status.ts";

export const STATUS_TIMER_RESOLUTION_NOT_SET: NtStatus = ntStatus(0xc0000245);
