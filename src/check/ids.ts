/** An id leads to its own object, and exists as long as the object and no longer. */
import { ExEnumHandleTable, ExMapHandleToPointer } from "../ex/handle.ts";
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import { EProcess, EThread } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, type Require, threadsOf } from "./rule.ts";

export class IdCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "step" && event.tid !== 0) this.#checkOwner(event.tid);
    if (event.kind === "thread-deleted") this.#checkGone(event.tid);
    if (event.kind === "process-deleted") this.#checkGone(event.pid);
    if (event.kind === "process-signaled" || event.kind === "process-deleted") this.#checkTable();
  }

  /** A thread that is on its way has its id until it is deleted. */
  #checkOwner(tid: number): void {
    const object = ExMapHandleToPointer(this.#k.ps.cidTable, tid)?.object;
    this.#require(object instanceof EThread && object.tid === tid, `thread ${tid} runs without its id`);
  }

  #checkGone(id: number): void {
    this.#require(ExMapHandleToPointer(this.#k.ps.cidTable, id) === null, `id ${id} outlives its object`);
  }

  #checkTable(): void {
    const { cidTable } = this.#k.ps;
    ExEnumHandleTable(cidTable, (id, { object }) => {
      const named = object instanceof EProcess ? object.pid : object instanceof EThread ? object.tid : -1;
      // While an object is being built its id is there before the object knows it.
      this.#require(named === id || named === 0, `id ${id} leads to ${named}`);
      const lives = object !== null && object.objectHeader !== null && this.#k.ob.live.has(headerOf(object));
      this.#require(lives, `id ${id} leads to nothing`);
      return false;
    });
    for (const process of activeProcesses(this.#k)) {
      for (const thread of threadsOf(process)) {
        const found = ExMapHandleToPointer(cidTable, thread.tid)?.object;
        // A thread that is being deleted gives its id back before it leaves the list.
        const fine = found === thread || headerOf(thread).pointerCount === 0;
        this.#require(fine, `thread ${thread.tid} is in the list of process ${process.pid} and has no id`);
      }
    }
  }
}
