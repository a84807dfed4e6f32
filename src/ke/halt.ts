/** The power switch: what shutting down ends with. The run loop looks at it before every turn. */
import type { Kernel } from "../kernel.ts";

/** Turns the machine off: no processor runs anything any more, whoever was still there. */
export function HalReturnToFirmware(k: Kernel): void {
  k.ke.halted = true;
}
