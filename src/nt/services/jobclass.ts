/** Information classes of jobs that are not answered. */
import { MAXIMUM_JOB_INFORMATION } from "../../abi/job.ts";
import { type NtStatus, STATUS_INVALID_INFO_CLASS } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { notImplemented } from "../state.ts";

/** A class that some version of Windows knows is named in the report of the run; any other is none. */
export function missingClass(k: Kernel, service: string, informationClass: number): NtStatus {
  if (informationClass === 0 || informationClass >= MAXIMUM_JOB_INFORMATION) return STATUS_INVALID_INFO_CLASS;
  return notImplemented(k, `${service} class ${informationClass}`);
}
