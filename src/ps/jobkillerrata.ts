/** How the seed's later versions end jobs: never reached unless an erratum is on. */
import type { NtStatus } from "../abi/status.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObjectSafe } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import { isActiveMember, type Job } from "./job.ts";
import { deactivate, reportIfEmpty } from "./jobmembers.ts";
import { PspTerminateProcess, PspTerminateThreadByPointer } from "./kill.ts";
import type { KillReason } from "./killreason.ts";

/**
 * Whether the job is ended with its lock held.
 * @erratum D43b normal kernel APCs are off while the members are ended, the caller's own process among them
 * @erratum D43c the same when the last handle is closed, even by a member that is exiting already
 */
export function endsUnderLock(k: Kernel, reason: KillReason): boolean {
  return k.sim.errata.has(reason.via === "PspCloseJob" ? "D43c" : "D43b");
}

/** Ends the members one by one as they come, and with its own process the caller, who is in a critical region. */
export function* terminateUnderLock(k: Kernel, job: Job, exitStatus: NtStatus, reason: KillReason): Blocking<void> {
  const caller = PsGetCurrentThread(k);
  KeEnterCriticalRegion(k);
  for (const process of [...job.members.keys()]) {
    if (!isActiveMember(process) || !ObReferenceObjectSafe(process)) continue;
    for (const level of deactivate(process)) reportIfEmpty(k, level);
    if (process === caller.threadsProcess) {
      // Nothing keeps the seed from a second exit of a thread that is exiting.
      caller.exiting = false;
      yield* PspTerminateThreadByPointer(k, caller, exitStatus, { self: true, ...reason });
    }
    yield* PspTerminateProcess(k, process, exitStatus, reason);
    yield* ObDereferenceObject(k, process);
  }
  yield* KeLeaveCriticalRegion(k);
}
