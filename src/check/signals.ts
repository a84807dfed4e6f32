/** A process is signaled when all its threads but the last one are, and before that one is. */
import type { Kernel } from "../kernel.ts";
import type { EProcess } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, findThread, type Require, threadsOf } from "./rule.ts";

export class SignalCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  /** The last thread of a process whose end is under way. */
  readonly #lastThread = new Map<number, number>();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "step" && event.step === "E11") this.#lastThread.set(event.pid, event.tid);
    if (event.kind === "process-deleted") this.#lastThread.delete(event.pid);
    if (event.kind === "process-signaled") for (const process of activeProcesses(this.#k)) this.#checkProcess(process);
    if (event.kind === "thread-signaled") this.#checkThread(event.pid, event.tid);
  }

  #checkProcess(process: EProcess): void {
    const { pid } = process;
    if (process.signalState === 0) return;
    for (const { tid, signalState } of threadsOf(process)) {
      const fine = signalState !== 0 || this.#lastThread.get(pid) === tid;
      this.#require(fine, `process ${pid} is signaled before thread ${tid}`);
    }
  }

  #checkThread(pid: number, tid: number): void {
    const process = findThread(this.#k, tid)?.threadsProcess;
    if (process === undefined || this.#lastThread.get(pid) !== tid) return;
    this.#require(process.signalState !== 0, `the last thread ${tid} is signaled before process ${pid}`);
  }
}
