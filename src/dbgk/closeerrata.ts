/** The end of a debug object as the seed does it: never reached unless an erratum is on. */
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import type { Kernel } from "../kernel.ts";
import { PsGetNextProcess } from "../ps/iterate.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { abandonDebuggee } from "./detach.ts";
import type { DebugObject } from "./objects.ts";

/**
 * Lets go of every debuggee of an object.
 * @erratum D42 that one process was cleared is remembered for all that come after it, so one that somebody else lets go of
 *   between the test and the lock is killed all the same, and its reference is dropped a second time
 */
export function* abandonAllWithErrata(k: Kernel, object: DebugObject): Blocking<void> {
  let cleared = false;
  for (
    let process = yield* PsGetNextProcess(k, null);
    process !== null;
    process = yield* PsGetNextProcess(k, process)
  ) {
    if (process.debugPort !== object) continue;
    yield* erratumGap(k, "D42:between-test-and-lock");
    yield* KeAcquireGuardedMutex(k, k.dbgk.processDebugPortMutex);
    if (process.debugPort === object) {
      process.debugPort = null;
      cleared = true;
    }
    yield* KeReleaseGuardedMutex(k, k.dbgk.processDebugPortMutex);
    if (cleared) yield* abandonDebuggee(k, process, object);
  }
}
