/** The end of a debug object: its last handle is closed, and with it the debugger is gone for all its debuggees. */
import { KeSetEvent } from "../ke/event.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import type { Kernel } from "../kernel.ts";
import type { ObProcess } from "../ob/process.ts";
import { PsGetNextProcess } from "../ps/iterate.ts";
import type { EProcess } from "../ps/objects.ts";
import type { Blocking } from "../sim/blocking.ts";
import { abandonAllWithErrata } from "./closeerrata.ts";
import { abandonDebuggee, endEvents, takeEvents } from "./detach.ts";
import type { DebugObject } from "./objects.ts";

/**
 * Close procedure of debug objects: with the last handle goes the debugger. Its debuggees run on alone, or die if the
 * object says so. A caller whose own process is among them dies when it leaves the region that it closes handles in.
 */
export function* DbgkpCloseObject(
  k: Kernel,
  _process: ObProcess,
  object: DebugObject,
  _grantedAccess: number,
  _processHandleCount: number,
  systemHandleCount: number,
): Blocking<void> {
  if (systemHandleCount > 1) return;
  yield* KeAcquireGuardedMutex(k, object.mutex);
  object.debuggerInactive = true;
  KeSetEvent(k, object.eventsPresent, 0);
  yield* KeReleaseGuardedMutex(k, object.mutex);
  const events = yield* takeEvents(k, object, () => true);
  if (k.sim.errata.has("D42")) yield* abandonAllWithErrata(k, object);
  else yield* abandonAll(k, object);
  yield* endEvents(k, events);
}

/** Lets go of every debuggee. */
function* abandonAll(k: Kernel, object: DebugObject): Blocking<void> {
  for (
    let process = yield* PsGetNextProcess(k, null);
    process !== null;
    process = yield* PsGetNextProcess(k, process)
  ) {
    if (process.debugPort !== object) continue;
    // Decided anew for every process, under the mutex: somebody else may let go of it at this moment (D42).
    const cleared = yield* clearPort(k, process, object);
    if (cleared) yield* abandonDebuggee(k, process, object);
  }
}

/** @returns whether the object was the process's port, whose reference is then the caller's */
function* clearPort(k: Kernel, process: EProcess, object: DebugObject): Blocking<boolean> {
  yield* KeAcquireGuardedMutex(k, k.dbgk.processDebugPortMutex);
  const cleared = process.debugPort === object;
  if (cleared) process.debugPort = null;
  yield* KeReleaseGuardedMutex(k, k.dbgk.processDebugPortMutex);
  return cleared;
}
