/** TERMINATED, PROCESS_DELETE and PROCESS_EXITING are set once and stay; a process that exits has no active thread. */
import { CT_TERMINATED, PSF_PROCESS_DELETE, PSF_PROCESS_EXITING } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, findThread, type Require, threadsOf } from "./rule.ts";

const FOR_EVER = PSF_PROCESS_DELETE | PSF_PROCESS_EXITING;

export class FlagCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  readonly #flags: WeakMap<EProcess, number> = new WeakMap();
  readonly #marked: WeakSet<EThread> = new WeakSet();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "step") {
      const thread = findThread(this.#k, event.tid);
      if (thread === null) return;
      this.#checkThread(thread);
      this.#checkProcess(thread.threadsProcess);
    } else if (event.kind === "thread-marked" || event.kind === "thread-exited" || event.kind === "process-signaled") {
      for (const process of activeProcesses(this.#k)) {
        this.#checkProcess(process);
        for (const thread of threadsOf(process)) this.#checkThread(thread);
      }
    }
  }

  #checkProcess(process: EProcess): void {
    const { pid, flags } = process;
    const before = this.#flags.get(process) ?? 0;
    this.#require((before & ~flags) === 0, `process ${pid} loses a flag of its end`);
    this.#flags.set(process, flags & FOR_EVER);
    if ((flags & PSF_PROCESS_EXITING) === 0) return;
    this.#require(process.activeThreads === 0, `process ${pid} is exiting and has active threads`);
  }

  #checkThread(thread: EThread): void {
    const marked = (thread.crossThreadFlags & CT_TERMINATED) !== 0;
    this.#require(marked || !this.#marked.has(thread), `thread ${thread.tid} is no longer marked`);
    if (marked) this.#marked.add(thread);
  }
}
