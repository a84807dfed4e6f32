/** Who waits for what when nothing can run any more. */
import { WaitReason } from "../abi/ke.ts";
import { CT_SYSTEM_THREAD } from "../abi/ps.ts";
import type { WaitGraph, WaitGraphEdge, WaitGraphThread } from "../abi/report.ts";
import { DebugContinueEvent } from "../dbgk/objects.ts";
import { type DispatcherHeader, KMutant } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import { findContendedSection } from "../guest/x86/locks.ts";
import { PAGE_SIZE } from "../abi/mm.ts";
import { hasCrossThreadFlag } from "../ps/flags.ts";
import { EProcess, EThread } from "../ps/objects.ts";

export function buildWaitGraph(k: Kernel): WaitGraph {
  const threads: WaitGraphThread[] = [];
  for (const thread of k.ke.liveThreads) {
    if (!(thread instanceof EThread) || hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) continue;
    const waitsFor = edgesOf(k, thread);
    const { threadsProcess: process, tid } = thread;
    threads.push({ pid: process.pid, tid, name: thread.name === "" ? null : thread.name, waitsFor });
  }
  // The report finds the ring.
  return { threads, cycle: [] };
}

/** A wait inside a critical section's routine is a wait for the section: that is what the program knows. */
function edgesOf(k: Kernel, thread: EThread): WaitGraphEdge[] {
  const section = thread.waitBlocks.length > 1 ? null : findContendedSection(k, thread);
  if (section === null) return thread.waitBlocks.map(({ object }) => edgeTo(thread, object));
  const { address, owner } = section;
  return [{ kind: "critical section", id: address, name: placeOf(thread.threadsProcess, address), owner, note: "" }];
}

/** `program.exe .bss`: the image and section of an address in the program, or null. */
function placeOf(process: EProcess, address: number): string | null {
  const image = process.sectionObject?.segment.image ?? null;
  const base = process.sectionBaseAddress;
  if (image === null || address < base || address >= base + image.pageCount * PAGE_SIZE) return null;
  return process.imageFileName;
}

function edgeTo(thread: EThread, object: DispatcherHeader): WaitGraphEdge {
  const base = { id: handleOf(thread, object), name: nameOf(object), owner: null, note: "" };
  if (object instanceof EThread) return { ...base, kind: "thread", owner: object.tid };
  if (object instanceof EProcess) return { ...base, kind: "process", name: object.imageFileName };
  if (object instanceof KMutant) {
    const owner = object.ownerThread;
    return { ...base, kind: "mutant", owner: owner instanceof EThread ? owner.tid : null };
  }
  if (thread.waitReason === WaitReason.WrLpcReceive) return { ...base, kind: "message" };
  if (thread.waitReason === WaitReason.WrLpcReply) return { ...base, kind: "reply" };
  if (object === thread.suspendSemaphore) {
    const frozen = thread.freezeCount > 0 && thread.suspendCount === 0;
    return { ...base, kind: "its own resumption", id: 0, note: frozen ? "frozen while its debugger has an event" : "" };
  }
  if (object instanceof DebugContinueEvent) {
    return { ...base, kind: "the answer of its debugger", note: debuggerOf(thread) };
  }
  return { ...base, kind: typeName(object) };
}

/** Who could answer: the process that holds the debug object. */
function debuggerOf({ threadsProcess: { debugPort } }: EThread): string {
  const holder = debugPort === null ? null : headerOf(debugPort).holder;
  return holder === null ? "" : `process ${holder.pid}`;
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
