/** A process counts the threads that are in its list and have not passed E10, and none comes after PROCESS_DELETE. */
import { PSF_PROCESS_DELETE } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import type { EProcess } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, findThread, type Require, threadsOf } from "./rule.ts";

/** Steps after which a count or a list is another one. */
const RECOUNT = new Set(["E10", "E15", "E47", "NP6", "PT2", "DT5"]);

export class CountCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  /** Threads that have passed E10. */
  readonly #uncounted = new Set<number>();
  /** Active threads of a process when it was last looked at with PROCESS_DELETE set. */
  readonly #closed: WeakMap<EProcess, number> = new WeakMap();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "step") {
      if (event.step === "E10") this.#uncounted.add(event.tid);
      if (RECOUNT.has(event.step)) this.#recount(findThread(this.#k, event.tid)?.threadsProcess ?? null);
    } else if (event.kind === "thread-created") {
      this.#recount(findThread(this.#k, event.tid)?.threadsProcess ?? null);
    } else if (event.kind === "thread-deleted") {
      this.#uncounted.delete(event.tid);
    } else if (event.kind === "process-signaled") {
      for (const process of activeProcesses(this.#k)) this.#recount(process);
    }
  }

  #recount(process: EProcess | null): void {
    if (process === null) return;
    const { pid, activeThreads } = process;
    this.#require(activeThreads >= 0, `process ${pid} counts ${activeThreads} threads`);
    let counted = 0;
    for (const { tid, signalState } of threadsOf(process)) {
      if (signalState === 0 && !this.#uncounted.has(tid)) counted++;
    }
    this.#require(counted === activeThreads, `process ${pid} counts ${activeThreads} threads, not ${counted}`);
    if ((process.flags & PSF_PROCESS_DELETE) === 0) return;
    const most = this.#closed.get(process) ?? activeThreads;
    this.#require(activeThreads <= most, `process ${pid} is closed to new threads and gets one`);
    this.#closed.set(process, activeThreads);
  }
}
