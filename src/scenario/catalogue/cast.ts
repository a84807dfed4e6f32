/** What the casts of several scenarios have in common: victims, flags, and statuses in the words of violations. */
import { KernelMode } from "../../abi/ke.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { KeDelayExecutionThread } from "../../ke/wait.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Stage } from "../stage.ts";

/** A victim that can die at any time: it sleeps in user mode, again and again. */
export function* naps(): Script<void> {
  for (;;) yield* nt.NtDelayExecution(false, 1_000);
}

/** Lets a millisecond of virtual time pass, in kernel mode. */
export function* pauseInKernel(k: Kernel): Blocking<void> {
  yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: 10_000 });
}

/** A process of the cast whose threads nap. */
export function* makeNappers(stage: Stage, process: string, threads: readonly string[]): Script<void> {
  yield* stage.makeProcess(process);
  for (const thread of threads) yield* stage.makeThread(thread, naps, { process });
}
