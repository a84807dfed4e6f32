/**
 * The security port of a process: none yet, a port that somebody has set, or closed for ever. Who takes a value out of
 * the field puts another one in with the same step, so a port is dropped by exactly one of them.
 */
import {
  type NtStatus,
  STATUS_PORT_ALREADY_SET,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { LpcPort } from "../lpc/port.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import type { EProcess } from "./objects.ts";

/**
 * Sets the security port, once.
 * @returns SUCCESS: the process has taken over the caller's reference; PORT_ALREADY_SET; PROCESS_IS_TERMINATING
 * @public for drivers
 */
export function PsSetProcessSecurityPort(process: EProcess, port: LpcPort): NtStatus {
  if (process.securityPort === "closed") return STATUS_PROCESS_IS_TERMINATING;
  if (process.securityPort !== null) return STATUS_PORT_ALREADY_SET;
  process.securityPort = port;
  return STATUS_SUCCESS;
}

/**
 * X4: closes it. @returns what was there; a port is the caller's to drop
 * @erratum D49 the field is read, and written later: what is set in between is overwritten and never dropped
 */
export function* closeSecurityPort(k: Kernel, process: EProcess): Blocking<EProcess["securityPort"]> {
  const before = process.securityPort;
  if (k.sim.errata.has("D49")) yield* erratumGap(k, "D49:between-test-and-store");
  process.securityPort = "closed";
  return before;
}
