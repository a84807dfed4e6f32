/**
 * The record of a run: typed events, emitted in the order in which things happen. Reports, traces, step coverage and
 * golden tests are views of it. Events carry stable ids, never addresses of host objects, so two runs of one program
 * give the same record.
 */
import type { Kernel } from "../kernel.ts";

/** How the death of a thread came about. */
export type DeathRoute =
  | "returned"
  | "exited"
  | "killed"
  | "process-exit"
  | "process-kill"
  | "job"
  | "debugger"
  | "shutdown"
  | "exception"
  | "critical";

/** Who or what asked for a death, as far as it is known. */
export interface KillRequest {
  readonly route: DeathRoute;
  /** The thread whose system call or decision it was; null for the machine itself. */
  readonly killer: { readonly pid: number; readonly tid: number } | null;
  /** Name of the system service or routine that asked. */
  readonly via: string;
  /** User-mode return address of that system call, or 0. */
  readonly from: number;
  readonly status: number;
  /** The library routine that the program itself called (`ExitProcess`), if the stack shows it; `from` is then its caller. */
  readonly api?: string;
  /** Number of the job that ended its members. */
  readonly job?: number;
}

/** What a thread was blocked on when its death was decided. */
export interface WaitedFor {
  /** In plain words: `event`, `thread`, `delay`, `suspension`. */
  readonly kind: string;
  /** The handle by which its process knows it, or 0. */
  readonly id: number;
}

/** Something that a thread still held when it died. */
export interface HeldResource {
  readonly kind: "mutant" | "apc" | "irp" | "timer" | "impersonation" | "termination-port" | "critical-section";
  readonly id: number;
  readonly note: string;
}

export type KernelEvent =
  | { readonly kind: "process-created"; time: number; pid: number; parentPid: number; image: string }
  | { readonly kind: "process-exiting"; time: number; pid: number; status: number }
  | { readonly kind: "process-signaled"; time: number; pid: number }
  | { readonly kind: "process-deleted"; time: number; pid: number }
  | { readonly kind: "process-job"; pid: number; job: number }
  | { readonly kind: "image-mapped"; pid: number; base: number; size: number; name: string }
  | { readonly kind: "image-unmapped"; pid: number; base: number }
  | { readonly kind: "thread-created"; time: number; pid: number; tid: number; start: number }
  | { readonly kind: "thread-named"; pid: number; tid: number; name: string }
  | {
      readonly kind: "thread-marked";
      time: number;
      pid: number;
      tid: number;
      request: KillRequest;
      waiting?: readonly WaitedFor[];
    }
  | { readonly kind: "thread-delivered"; time: number; pid: number; tid: number }
  | { readonly kind: "thread-held"; pid: number; tid: number; held: HeldResource }
  | { readonly kind: "thread-exited"; time: number; pid: number; tid: number; status: number }
  | { readonly kind: "thread-signaled"; time: number; pid: number; tid: number }
  | { readonly kind: "thread-reaped"; time: number; pid: number; tid: number }
  | { readonly kind: "thread-deleted"; time: number; pid: number; tid: number }
  | { readonly kind: "step"; step: string; branch?: string; pid: number; tid: number }
  | { readonly kind: "step-skipped"; step: string; reason: string; pid: number; tid: number }
  | { readonly kind: "system-call"; time: number; pid: number; tid: number; name: string; status: number }
  | {
      readonly kind: "apc";
      act: "queued" | "delivered" | "flushed" | "refused";
      tid: number;
      mode: number;
      apc: number;
    }
  | { readonly kind: "wait"; act: "begin" | "end"; tid: number; objects: readonly number[]; status: number }
  | { readonly kind: "lock"; act: "acquire" | "release"; tid: number; name: string }
  | { readonly kind: "signal"; object: number }
  | { readonly kind: "handle"; act: "open" | "close"; pid: number; handle: number; object: number; type: string }
  | { readonly kind: "object"; act: "created" | "deleted"; id: number; type: string }
  | { readonly kind: "pool"; act: "allocate" | "free" | "fail"; id: number; tag: string; bytes: number }
  | {
      readonly kind: "exception";
      time: number;
      pid: number;
      tid: number;
      code: number;
      address: number;
      chance: number;
    }
  | { readonly kind: "bugcheck"; time: number; code: number; parameters: readonly number[] };

/** Appends an event of a life or a death, if anybody listens. Guard expensive arguments with `k.sim.record !== null`. */
export function emit(k: Kernel, event: KernelEvent): void {
  if (k.sim.record !== null) k.sim.record(event);
}

/** Appends a fine-grained event. Hot paths test `k.sim.trace !== null` first, so that an ordinary run builds none. */
export function trace(k: Kernel, event: KernelEvent): void {
  if (k.sim.trace !== null) k.sim.trace(event);
}
