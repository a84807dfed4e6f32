/**
 * A thread whose user mode is a TypeScript generator. The generator is its user stack and yields only system calls, so a
 * killed thread's script is simply never resumed. User APCs push a generator on top, as they push a frame on x86.
 */
import { UserMode } from "../../abi/ke.ts";
import { type NtStatus, ntStatus, STATUS_NOT_SUPPORTED, STATUS_SUCCESS } from "../../abi/status.ts";
import { KeTestAlertThread } from "../../ke/apc.ts";
import type { KThread } from "../../ke/objects.ts";
import type { Caller, ExceptionRecord, UserApc, UserContext, UserExit } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { assert } from "../../rtl/assert.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { trace } from "../../sim/record.ts";

/** A system call that a script makes, and that answers with an `R`. */
export interface ScriptRequest<R = unknown> {
  readonly name: string;
  /** Runs in the kernel with previous mode user. */
  readonly call: (k: Kernel) => R | Blocking<R>;
}

/** A script, or a part of one that calls system services. */
export type Script<T> = Generator<ScriptRequest, T, unknown>;
/** A thread's program. What it returns is the thread's exit status. */
export type ScriptProgram = () => Script<NtStatus | void>;
/** A user APC routine. */
export type ScriptApc = (context: unknown, argument1: unknown, argument2: unknown) => Script<void>;

/** Virtual nanoseconds that one system call of a script takes. */
const CALL_NS = 1_000;

interface Frame {
  readonly script: Script<unknown>;
  /** What the call in progress answered, delivered on the next resumption. */
  result: unknown;
}

export class ScriptContext implements UserContext {
  private readonly frames: Frame[] = [];
  private request: ScriptRequest | null = null;
  /** Ends the thread when its program has returned. */
  private readonly exit: (k: Kernel, status: NtStatus) => Blocking<NtStatus>;

  constructor(program: ScriptProgram, exit: (k: Kernel, status: NtStatus) => Blocking<NtStatus>) {
    this.frames.push({ script: program(), result: undefined });
    this.exit = exit;
  }

  run(k: Kernel, thread: KThread, _budget: number): UserExit {
    k.ke.prcb.clock += CALL_NS;
    thread.quantum -= CALL_NS;
    thread.userTime += CALL_NS / 100;
    const frame = this.frames.at(-1);
    assert(frame !== undefined, "a script has a frame as long as its thread lives");
    const step = frame.script.next(frame.result);
    if (!step.done) {
      this.request = step.value;
      return "system-call";
    }
    this.frames.pop();
    if (this.frames.length > 0) this.request = RETURN_FROM_APC;
    else this.request = this.exitRequest(step.value);
    return "system-call";
  }

  private exitRequest(value: unknown): ScriptRequest<NtStatus> {
    const status = typeof value === "number" ? ntStatus(value) : STATUS_SUCCESS;
    this.frames.push({ script: ended(), result: undefined });
    return { name: "return", call: (k) => this.exit(k, status) };
  }

  systemCall(k: Kernel, thread: KThread): Blocking<void> | void {
    const { request } = this;
    assert(request !== null, "run came back with a request");
    const frame = this.frames.at(-1);
    assert(frame !== undefined, "a script has a frame as long as its thread lives");
    k.nt.systemCalls++;
    const result = request.call(k);
    if (isBlocking(result)) return this.finishCall(k, thread, frame, request, result);
    if (request !== RETURN_FROM_APC) frame.result = result;
    if (k.sim.trace !== null) traceCall(k, thread, request, result);
  }

  private *finishCall(
    k: Kernel,
    thread: KThread,
    frame: Frame,
    request: ScriptRequest,
    call: Blocking<unknown>,
  ): Blocking<void> {
    frame.result = yield* call;
    if (k.sim.trace !== null) traceCall(k, thread, request, frame.result);
  }

  exception(): ExceptionRecord {
    assert(false, "a script raises no exceptions by itself");
  }

  enterApc(_k: Kernel, _thread: KThread, apc: UserApc): NtStatus {
    if (typeof apc.script !== "function") return STATUS_NOT_SUPPORTED;
    const routine = apc.script as ScriptApc;
    this.frames.push({ script: routine(apc.context, apc.argument1, apc.argument2), result: undefined });
    return STATUS_SUCCESS;
  }

  /** Scripts have no exception handlers: the second chance follows at once. */
  enterException(): NtStatus {
    return STATUS_NOT_SUPPORTED;
  }

  caller(): Caller {
    return { address: 0 };
  }
}

/** What an APC routine's return does: `NtContinue` with a test for further APCs. */
const RETURN_FROM_APC: ScriptRequest<NtStatus> = {
  name: "NtContinue",
  call: (k) => {
    const thread = k.ke.currentThread;
    if (thread !== null) KeTestAlertThread(thread, UserMode);
    return STATUS_SUCCESS;
  },
};

// eslint-disable-next-line require-yield
function* ended(): Script<void> {
  assert(false, "a thread whose program returned is never resumed");
}

function isBlocking(value: unknown): value is Blocking<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value && "next" in value;
}

function traceCall(k: Kernel, thread: KThread, request: ScriptRequest, result: unknown): void {
  const status = typeof result === "number" ? result : 0;
  const time = Math.floor(k.ke.prcb.clock / 100);
  const { pid } = PsGetCurrentThread(k).threadsProcess;
  trace(k, { kind: "system-call", time, pid, tid: thread.tid, name: request.name, status });
}
