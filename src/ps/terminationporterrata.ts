/** What the seed's termination ports do wrong. Each may be switched on, to show what comes of it. */
import type { Kernel } from "../kernel.ts";
import type { PortMessage } from "../lpc/message.ts";
import type { EThread } from "./objects.ts";

/** Where this kernel's stacks would lie, if they were memory: what NT leaves on one is mostly such addresses. */
const KERNEL_STACKS = 0xf8000000;

/** @erratum D17 the fields of the notice that nobody fills hold what lay on the dying thread's kernel stack */
export function leaksStackBytes(k: Kernel, thread: EThread, notice: PortMessage): PortMessage {
  if (!k.sim.errata.has("D17")) return notice;
  const stack = KERNEL_STACKS + 0x4000 * thread.id;
  return { ...notice, messageId: stack + 0x2d0c, clientViewSize: stack + 0x2d48 };
}

/** @erratum D18 a notice is sent again and again for as long as there is no memory */
export function triesForEver(k: Kernel): boolean {
  return k.sim.errata.has("D18");
}

/** @erratum D45 a registration costs nobody anything, so a thread may make any number */
export function chargesNobody(k: Kernel): boolean {
  return k.sim.errata.has("D45");
}
