/** The deciding half of termination as the seed does it, defect by defect: never reached unless an erratum is on. */
import { CT_TERMINATED } from "../abi/ps.ts";
import { type NtStatus, STATUS_SUCCESS } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { catchCriticalThread } from "./critical.ts";
import { queueKill } from "./exitapc.ts";
import { hasCrossThreadFlag, PspSetCrossThreadFlag } from "./flags.ts";
import { type KillReason, recordRequest } from "./killreason.ts";
import type { EThread } from "./objects.ts";

export function hasKillErrata(k: Kernel): boolean {
  return k.sim.errata.has("D02");
}

/**
 * Tells another thread to die.
 * @erratum D02 the killer takes kernel APCs between the mark and the queueing, so it can be suspended there
 * @source ntoskrnl/ps/kill.c:989-1067, PspTerminateThreadByPointer
 */
export function* killWithErrata(
  k: Kernel,
  thread: EThread,
  exitStatus: NtStatus,
  reason: KillReason,
): Blocking<NtStatus> {
  if (!hasCrossThreadFlag(thread, CT_TERMINATED)) yield* catchCriticalThread(k, thread);
  const before = PspSetCrossThreadFlag(thread, CT_TERMINATED);
  if ((before & CT_TERMINATED) !== 0) return STATUS_SUCCESS;
  yield* erratumGap(k, "D02:between-mark-and-queue");
  recordRequest(k, thread, exitStatus, reason);
  return queueKill(k, thread, exitStatus);
}
