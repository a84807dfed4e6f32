/** What a thread is blocked on, in the words of reports. */
import { DispatcherType, ThreadState, WaitReason } from "../abi/ke.ts";
import type { DispatcherHeader } from "../ke/objects.ts";
import { headerOf } from "../ob/header.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { WaitedFor } from "../sim/record.ts";
import type { EProcess, EThread } from "./objects.ts";

const KINDS: ReadonlyMap<DispatcherType, string> = new Map<DispatcherType, string>([
  [DispatcherType.EventNotification, "event"],
  [DispatcherType.EventSynchronization, "event"],
  [DispatcherType.Mutant, "mutant"],
  [DispatcherType.Process, "process"],
  [DispatcherType.Queue, "queue"],
  [DispatcherType.Semaphore, "semaphore"],
  [DispatcherType.Thread, "thread"],
  [DispatcherType.TimerNotification, "timer"],
  [DispatcherType.TimerSynchronization, "timer"],
]);

/** Empty for a thread that is not waiting. */
export function describeWaits(thread: EThread): WaitedFor[] {
  if (thread.state !== ThreadState.Waiting) return [];
  if (thread.waitReason === WaitReason.Suspended) return [{ kind: "suspension", id: 0 }];
  if (thread.waitReason === WaitReason.DelayExecution) return [{ kind: "delay", id: 0 }];
  if (thread.waitReason === WaitReason.WrAlertByThreadId) return [{ kind: "alert", id: 0 }];
  if (thread.waitReason === WaitReason.WrLpcReceive) return [{ kind: "message", id: 0 }];
  if (thread.waitReason === WaitReason.WrLpcReply) return [{ kind: "reply", id: 0 }];
  return thread.waitBlocks.map(({ object }) => ({
    kind: describeObject(object),
    id: handleOf(thread.threadsProcess, object),
  }));
}

/** A dispatcher object in one word. */
function describeObject(object: DispatcherHeader): string {
  if (object.objectHeader === null) return KINDS.get(object.type) ?? "object";
  return headerOf(object).type.name.toLowerCase();
}

/** The lowest handle by which the process knows the object, or 0. */
export function handleOf(process: EProcess, object: ObjectBody): number {
  const entries = process.objectTable?.entries ?? [];
  const index = entries.findIndex((entry) => entry.object === object);
  return index < 0 ? 0 : 4 * index;
}
