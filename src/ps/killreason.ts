/** Why a thread is told to die, by whom and from where: what its death certificate will say. */
import { UserMode } from "../abi/ke.ts";
import type { NtStatus } from "../abi/status.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Caller } from "../ke/usermode.ts";
import type { Kernel } from "../kernel.ts";
import { type DeathRoute, emit, type KillRequest } from "../sim/record.ts";
import { PsGetCurrentThread } from "./current.ts";
import type { EThread } from "./objects.ts";
import { describeWaits } from "./waits.ts";

/** Why a thread is told to die; becomes part of its death certificate. */
export interface KillReason {
  readonly route: DeathRoute;
  /** The system service or routine that asked. */
  readonly via: string;
  /** Number of the job that ends its members. */
  readonly job?: number;
}

/** Notes who decided the death and from where; the first decision is the one that counts. */
export function recordRequest(k: Kernel, thread: EThread, status: NtStatus, reason: KillReason): void {
  if (thread.killRequest !== null) return;
  const killer = PsGetCurrentThread(k);
  const known = { pid: killer.threadsProcess.pid, tid: killer.tid };
  if (k.sim.record === null) {
    thread.killRequest = requestOf(reason, reason.route, known, 0, status);
    return;
  }
  const caller = callerOf(k, killer, reason);
  const route = reason.route === "exited" && caller.outsideProgram === true ? "returned" : reason.route;
  const request = requestOf(reason, route, known, caller.address, status);
  thread.killRequest = caller.api === undefined ? request : { ...request, api: caller.api };
  emit(k, {
    kind: "thread-marked",
    time: KeQueryInterruptTime(k),
    pid: thread.threadsProcess.pid,
    tid: thread.tid,
    request: thread.killRequest,
    waiting: describeWaits(thread),
  });
}

/** Field by field, for every thread that ends has one: to copy an object and add to it takes the engine microseconds. */
function requestOf(
  { via, job }: KillReason,
  route: DeathRoute,
  killer: KillRequest["killer"],
  from: number,
  status: NtStatus,
): KillRequest {
  return job === undefined ? { route, via, killer, from, status } : { route, via, job, killer, from, status };
}

/** An unhandled exception comes from where it was raised, whoever ended the process because of it. */
function callerOf(k: Kernel, killer: EThread, reason: KillReason): Caller {
  if (reason.route === "exception") return { address: killer.lastExceptionAddress };
  if (killer.previousMode !== UserMode || killer.user === null) return { address: 0 };
  return killer.user.caller(k, killer);
}
