/** What is still alive when a run has ended, and who holds it. */
import type { LeakEntry } from "../abi/report.ts";
import type { Kernel } from "../kernel.ts";
import { type ObjectHeader, holdersOf } from "../ob/header.ts";
import { EThread } from "../ps/objects.ts";
import type { ObjectBody } from "../rtl/body.ts";

/** Objects that somebody still refers to, without what every machine has from boot to its end. */
export function machineLedger(k: Kernel): LeakEntry[] {
  const entries: LeakEntry[] = [];
  for (const header of k.ob.live) {
    if (header.block === null || header.permanent || belongsToMachine(k, header.body)) continue;
    entries.push({ kind: "object", id: header.body.id, type: header.type.name, pinnedBy: holdersInWords(header) });
  }
  return entries;
}

function holdersInWords(header: ObjectHeader): string[] {
  const holders = holdersOf(header).map(([process, handles]) => {
    const count = handles === 1 ? "a handle" : `${String(handles)} handles`;
    return `${count} of process ${String(process.pid)}`;
  });
  const others = header.pointerCount - header.handleCount - (header.name === null ? 0 : 1);
  if (others > 0)
    holders.push(others === 1 ? "a reference of the kernel" : `${String(others)} references of the kernel`);
  return holders;
}

/** The System process, its worker threads, its token, and the token that first processes get. */
function belongsToMachine(k: Kernel, body: ObjectBody): boolean {
  const system = k.ps.initialSystemProcess;
  if (body === system || body === k.ps.systemToken || body === system?.token) return true;
  return body instanceof EThread && body.threadsProcess === system;
}
