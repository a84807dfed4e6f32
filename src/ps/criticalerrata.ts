/** What the seed gets wrong at the prompt for critical objects. */
import { KernelMode } from "../abi/ke.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { isHandled, QUESTION } from "./prompt.ts";
import { step } from "./steps.ts";

/** How long a prompt takes that nobody answers: 100 ms. */
const UNANSWERED_100NS = 1_000_000;

/**
 * Asks until it understands the answer. The answer's buffer is not initialised, so a prompt that returns nothing leaves
 * in it what the last answer was, whoever gave it about whatever.
 * @erratum D28 a prompt that fails reads stale bytes: it loops for ever, or takes an answer that nobody gave
 */
export function* handledByStaleAnswer(k: Kernel, text: string): Blocking<boolean> {
  const { kd } = k.ke;
  if (!kd.enabled) {
    step(k, "C1");
    return false;
  }
  kd.print(text);
  step(k, "C2", kd.notPresent ? "not-present" : "attached");
  while (!kd.notPresent) {
    const answer = kd.prompt(QUESTION);
    if (answer !== "") kd.staleAnswer = answer;
    if (isHandled(k, kd.staleAnswer)) return true;
    yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: UNANSWERED_100NS });
  }
  return false;
}
