/**
 * What the object manager keeps in every process: handles, quota and ids. Handles are closed for good only after the
 * rundown protection is run down, so whoever works on a process from outside holds that.
 */
import type { HandleTable } from "../ex/handle.ts";
import type { QuotaBlock } from "../ex/quota.ts";
import { ExRundown } from "../ex/rundown.ts";
import { KProcess } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { KeGetCurrentProcess } from "../ke/current.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";

export abstract class ObProcess extends KProcess {
  /** Held by whoever works on this process from outside; run down before its handles are closed. Interlocked. */
  readonly rundownProtect: ExRundown = new ExRundown();
  /** Null until the process is initialised, and again once its handles are closed. */
  objectTable: HandleTable | null = null;
  quotaBlock: QuotaBlock | null = null;
  debugPort: ObjectBody | null = null;
  /** What the process may do to itself through the pseudo-handle -1. */
  grantedAccess = 0;
  /** `UniqueProcessId`; 0 until it is assigned. */
  pid = 0;
}

/** The process whose address space is current, with its handles. */
export function currentObProcess(k: Kernel): ObProcess {
  const process = KeGetCurrentProcess(k);
  assert(process instanceof ObProcess, "every process is the object manager's");
  return process;
}
