/** Who waits for what when nothing can run any more. */
import { CT_SYSTEM_THREAD } from "../abi/ps.ts";
import type { WaitGraph, WaitGraphEdge, WaitGraphThread } from "../abi/report.ts";
import { type DispatcherHeader, KMutant } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import { hasCrossThreadFlag } from "../ps/flags.ts";
import { EProcess, EThread } from "../ps/objects.ts";

export function buildWaitGraph(k: Kernel): WaitGraph {
  const threads: WaitGraphThread[] = [];
  for (const thread of k.ke.liveThreads) {
    if (!(thread instanceof EThread) || hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) continue;
    const waitsFor = thread.waitBlocks.map(({ object }) => edgeTo(thread, object));
    const { threadsProcess: process, tid } = thread;
    threads.push({ pid: process.pid, tid, name: thread.name === "" ? null : thread.name, waitsFor });
  }
  // The report finds the ring.
  return { threads, cycle: [] };
}

function edgeTo(thread: EThread, object: DispatcherHeader): WaitGraphEdge {
  const base = { id: handleOf(thread, object), name: nameOf(object), owner: null, note: "" };
  if (object instanceof EThread) return { ...base, kind: "thread", owner: object.tid };
  if (object instanceof EProcess) return { ...base, kind: "process", name: object.imageFileName };
  if (object instanceof KMutant) {
    const owner = object.ownerThread;
    return { ...base, kind: "mutant", owner: owner instanceof EThread ? owner.tid : null };
  }
  if (object === thread.suspendSemaphore) return { ...base, kind: "its own resumption", id: 0 };
  return { ...base, kind: typeName(object) };
}

function typeName(object: DispatcherHeader): string {
  return object.objectHeader === null ? "something in the kernel" : headerOf(object).type.name.toLowerCase();
}

function nameOf(object: DispatcherHeader): string | null {
  return object.objectHeader === null ? null : (headerOf(object).name?.name ?? null);
}

/** The handle by which the thread's process knows the object, or 0. */
function handleOf(thread: EThread, object: DispatcherHeader): number {
  const entries = thread.threadsProcess.objectTable?.entries ?? [];
  const index = entries.findIndex((entry) => entry.object === object);
  return index < 0 ? 0 : 4 * index;
}
