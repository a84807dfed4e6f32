/** The part of a process's end that happens once it has no thread left, or is deleted without ever having had one. */
import { PSF_PROCESS_EXITING, PSF_SET_TIMER_RESOLUTION } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import { MmCleanProcessAddressSpace } from "../mm/clean.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { PopCleanupPowerState, releaseTimerResolution } from "../po/power.ts";
import type { Blocking } from "../sim/blocking.ts";
import { hasProcessFlag, PspSetProcessFlag } from "./flags.ts";
import { reportExit } from "./jobmessage.ts";
import { PspRunCreateProcessNotifyRoutines } from "./notify.ts";
import type { EProcess } from "./objects.ts";
import { closeSecurityPort } from "./securityport.ts";
import { skip, step } from "./steps.ts";

/**
 * Marks the process as exiting and lets go of what does not need its threads. Idempotent: deletion calls it again.
 * @param options lastThread: called by the process's last thread; otherwise by deletion, attached
 * @source ntoskrnl/ps/kill.c:1076-1139, PspExitProcess
 * @deviates posts the job's exit message (D43a); the security port is exchanged in one step (D49)
 */
export function* PspExitProcess(
  k: Kernel,
  process: EProcess,
  options: { readonly lastThread: boolean },
): Blocking<void> {
  PspSetProcessFlag(process, PSF_PROCESS_EXITING);
  step(k, "X1");
  if (options.lastThread) {
    yield* PspRunCreateProcessNotifyRoutines(k, process, { create: false });
    step(k, "X2");
  } else skip(k, "X2", "deletion");
  PopCleanupPowerState(k, process);
  step(k, "X3");
  const port = yield* closeSecurityPort(k, process);
  if (port === "closed") step(k, "X4", "already-closed");
  else if (port === null) step(k, "X4", "no-port");
  else {
    yield* ObDereferenceObject(k, port);
    step(k, "X4", "port");
  }
  if (!options.lastThread) {
    yield* MmCleanProcessAddressSpace(k, process);
    step(k, "X7");
    return;
  }
  if (hasProcessFlag(process, PSF_SET_TIMER_RESOLUTION)) {
    releaseTimerResolution(k, process);
    step(k, "X5");
  } else skip(k, "X5", "none-set");
  if (process.job !== null) {
    reportExit(k, process);
    step(k, "X6");
  } else skip(k, "X6", "no-job");
}
