/**
 * What must hold of processes and threads at every step of their end, checked while a machine runs: the invariants of
 * termination, and the order of the steps of an exit. A watch is fed with the events of a run, in order.
 */
import { CT_TERMINATED, PSF_PROCESS_DELETE, PSF_PROCESS_EXITING } from "../../src/abi/ps.ts";
import { ExMapHandleToPointer } from "../../src/ex/handle.ts";
import type { Kernel } from "../../src/kernel.ts";
import { headerOf } from "../../src/ob/header.ts";
import { EProcess, EThread } from "../../src/ps/objects.ts";
import { isLinked, isListEmpty, listOwners } from "../../src/rtl/list.ts";
import type { KernelEvent } from "../../src/sim/record.ts";

/** Flags that are set once and stay. */
const FLAGS_FOR_EVER = PSF_PROCESS_DELETE | PSF_PROCESS_EXITING;
/** Steps that a thread may take more than once: it has several siblings, or several ports. */
const REPEATED = new Set(["E13", "E21"]);

export class Watch {
  readonly complaints: string[] = [];
  readonly #k: () => Kernel | null;
  readonly #flags = new Map<EProcess, number>();
  readonly #marked = new Set<EThread>();
  /** Threads that no longer count as active: they have passed E10. */
  readonly #uncounted = new Set<number>();
  readonly #lastStep = new Map<number, number>();
  readonly #lastThread = new Map<number, number>();
  /** System calls that a thread has finished since it was marked by somebody else. */
  readonly #callsAfterMark = new Map<number, number>();

  /** @param k the machine, once it is there: events of its boot come earlier */
  constructor(k: () => Kernel | null) {
    this.#k = k;
  }

  see(event: KernelEvent): void {
    const k = this.#k();
    if (k === null) return;
    if (event.kind === "step") this.#seeStep(k, event.step, event.pid, event.tid);
    if (event.kind === "thread-signaled") this.#seeSignal(k, event.tid);
    if (event.kind === "thread-marked") this.#seeMark(event);
    if (event.kind === "system-call") this.#seeCall(event.tid, event.name);
    if (event.kind === "thread-deleted") this.#forget(event.tid);
  }

  #require(condition: boolean, sentence: string): void {
    if (!condition && this.complaints.length < 20) this.complaints.push(sentence);
  }

  /** Ids are used again, so what is known of a thread goes with it. */
  #forget(tid: number): void {
    this.#uncounted.delete(tid);
    this.#lastStep.delete(tid);
    this.#callsAfterMark.delete(tid);
  }

  #seeStep(k: Kernel, step: string, pid: number, tid: number): void {
    const exit = /^E(\d+)$/.exec(step);
    if (exit !== null) this.#seeExitStep(step, Number(exit[1]), pid, tid);
    for (const process of listOwners(k.ps.activeProcessHead)) this.#checkProcess(k, process);
    this.#checkIds(k);
  }

  /** Steps come in ascending order, each at most once; only one thread of a process takes the last thread's. */
  #seeExitStep(step: string, number: number, pid: number, tid: number): void {
    const before = this.#lastStep.get(tid) ?? 0;
    const repeated = REPEATED.has(step) && number === before;
    this.#require(number > before || repeated, `thread ${tid} takes ${step} after E${before}`);
    this.#lastStep.set(tid, number);
    if (step === "E10") this.#uncounted.add(tid);
    if (step === "E11") {
      this.#require(this.#lastThread.get(pid) === undefined, `process ${pid} has two last threads`);
      this.#lastThread.set(pid, tid);
    }
    const alone = (number >= 34 && number <= 40) || number === 43 || number === 46;
    if (alone) this.#require(this.#lastThread.get(pid) === tid, `thread ${tid} takes ${step} and is not the last`);
    if (step === "E46") this.#lastThread.delete(pid);
  }

  #checkProcess(k: Kernel, process: EProcess): void {
    const { pid, flags } = process;
    const before = this.#flags.get(process) ?? 0;
    this.#require((before & ~flags) === 0, `process ${pid} loses a flag of its end`);
    this.#flags.set(process, flags & FLAGS_FOR_EVER);
    if ((flags & PSF_PROCESS_EXITING) !== 0) {
      this.#require(process.activeThreads === 0, `process ${pid} is exiting and has active threads`);
    }
    const threads = listOwners(process.ethreadListHead);
    const counted = threads.filter(({ tid, signalState }) => signalState === 0 && !this.#uncounted.has(tid)).length;
    this.#require(
      counted === process.activeThreads,
      `process ${pid} counts ${process.activeThreads} threads, not ${counted}`,
    );
    for (const thread of threads) {
      this.#require(k.ob.live.has(headerOf(thread)), `process ${pid} lists thread ${thread.tid}, which is deleted`);
      this.#checkThread(process, thread);
    }
  }

  #checkThread(process: EProcess, thread: EThread): void {
    const { tid } = thread;
    const marked = (thread.crossThreadFlags & CT_TERMINATED) !== 0;
    this.#require(marked || !this.#marked.has(thread), `thread ${tid} is no longer marked`);
    if (marked) this.#marked.add(thread);
    if (thread.signalState === 0) {
      this.#require(headerOf(thread).pointerCount > 0, `thread ${tid} runs and nobody refers to it`);
      const last = this.#lastThread.get(process.pid) === tid || (this.#lastStep.get(tid) ?? 0) >= 46;
      this.#require(process.signalState === 0 || last, `process ${process.pid} is signaled before thread ${tid}`);
    }
  }

  /** An id exists exactly as long as its object. */
  #checkIds(k: Kernel): void {
    for (let id = 4; id < k.ps.cidTable.entries.length * 4; id += 4) {
      const object = ExMapHandleToPointer(k.ps.cidTable, id)?.object ?? null;
      if (object === null) continue;
      const named = object instanceof EProcess ? object.pid : object instanceof EThread ? object.tid : -1;
      // While an object is being built its id is there before the object knows it.
      this.#require(named === id || named === 0, `id ${id} leads to ${named}`);
      this.#require(object.objectHeader !== null && k.ob.live.has(headerOf(object)), `id ${id} leads to nothing`);
    }
  }

  /** What a thread must have let go of when it is signaled. */
  #seeSignal(k: Kernel, tid: number): void {
    const thread = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
    if (!(thread instanceof EThread)) {
      this.#require(false, `thread ${tid} is signaled without an id`);
      return;
    }
    const { apcState } = thread;
    this.#require(thread.combinedApcDisable === 0, `thread ${tid} is signaled with its APCs off`);
    this.#require(isListEmpty(thread.mutantListHead), `thread ${tid} is signaled and owns a mutant`);
    this.#require(isListEmpty(thread.irpList), `thread ${tid} is signaled with a request under way`);
    this.#require(isListEmpty(thread.activeTimerListHead), `thread ${tid} is signaled with a timer`);
    this.#require(isListEmpty(apcState.kernelList), `thread ${tid} is signaled with a kernel APC`);
    this.#require(isListEmpty(apcState.userList), `thread ${tid} is signaled with a user APC`);
    this.#require(thread.terminationPort === null, `thread ${tid} is signaled with a termination port`);
    const { replyMessage, replyMessageId, replyChain, connection } = thread.lpc;
    const waits = replyMessageId !== 0 || connection !== null || (replyChain !== null && isLinked(replyChain));
    this.#require(!waits, `thread ${tid} is signaled and waits for a reply`);
    this.#require(replyMessage === null, `thread ${tid} is signaled and has a reply`);
    this.#require(thread.rundownProtect.count === 0, `thread ${tid} is signaled while somebody works on it`);
    if (this.#lastThread.get(thread.threadsProcess.pid) === tid) {
      this.#require(thread.threadsProcess.signalState !== 0, `the last thread ${tid} is signaled before its process`);
    }
  }

  #seeMark(event: Extract<KernelEvent, { kind: "thread-marked" }>): void {
    const { killer } = event.request;
    if (killer === null || killer.tid !== event.tid) this.#callsAfterMark.set(event.tid, 0);
  }

  /** A thread that was marked finishes the system call that it is in, and makes no other. */
  #seeCall(tid: number, name: string): void {
    const calls = this.#callsAfterMark.get(tid);
    if (calls === undefined) return;
    this.#callsAfterMark.set(tid, calls + 1);
    this.#require(calls === 0, `thread ${tid} was told to die and calls ${name}`);
  }
}
