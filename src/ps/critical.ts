/** Critical processes and threads: the machine does not outlive them, unless somebody at the kernel debugger says so. */
import { BugCheckCode } from "../abi/ke.ts";
import { CT_BREAK_ON_TERMINATION } from "../abi/ps.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { handledByStaleAnswer } from "./criticalerrata.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import type { EProcess, EThread } from "./objects.ts";
import { isHandled, QUESTION } from "./prompt.ts";
import { skip, step } from "./steps.ts";

/** A prompt that nobody answers is asked this often, then it counts as unhandled (D28). */
const MAXIMUM_PROMPTS = 16;

/**
 * Asks the kernel debugger whether the death of a critical object may go on. Returns if so; stops the machine if not,
 * or if there is nobody to ask. Whoever is at the debugger is asked once about each object.
 * @param message takes the object and its image name in place of `%p` and `%s`
 * @source ntoskrnl/ps/kill.c:25-78, PspCatchCriticalBreak
 * @deviates the answer is empty until somebody gives one, the question is not repeated without bound, and an object whose
 *   death was accepted is not asked about again (D28)
 */
export function* PspCatchCriticalBreak(
  k: Kernel,
  message: string,
  object: EProcess | EThread,
  imageName: string,
): Blocking<void> {
  const erratum = k.sim.errata.has("D28");
  // Erratum D47 shows that two killers ask, which they would not if the first answer counted for both.
  if (object.deathAccepted && !erratum && !k.sim.errata.has("D47")) return;
  const text = message.replace("%p", object.id.toString(16)).replace("%s", imageName);
  object.deathAccepted = erratum ? yield* handledByStaleAnswer(k, text) : handledByDebugger(k, text);
  if (object.deathAccepted) return;
  step(k, "C4");
  KeBugCheckEx(k, BugCheckCode.CRITICAL_OBJECT_TERMINATION, object.type, object.id);
}

function handledByDebugger(k: Kernel, text: string): boolean {
  const { kd } = k.ke;
  if (!kd.enabled) {
    step(k, "C1");
    return false;
  }
  kd.print(text);
  step(k, "C2", kd.notPresent ? "not-present" : "attached");
  for (let prompts = 0; prompts < MAXIMUM_PROMPTS && !kd.notPresent; prompts++) {
    if (isHandled(k, kd.prompt(QUESTION))) return true;
  }
  return false;
}

/** K1, for a thread whose death is being decided now. */
export function* catchCriticalThread(k: Kernel, thread: EThread): Blocking<void> {
  if (!hasCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION)) {
    skip(k, "K1", "not-critical");
    return;
  }
  step(k, "K1");
  const { imageFileName } = thread.threadsProcess;
  yield* PspCatchCriticalBreak(k, "Terminating critical thread 0x%p (in %s)", thread, imageFileName);
}
