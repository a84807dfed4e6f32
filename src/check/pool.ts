/** A block of pool is freed once and not touched afterwards: no object that anything leads to lies in a free block. */
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, type Require, threadsOf } from "./rule.ts";

export class PoolCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  readonly #freed = new Set<number>();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "pool" && event.act === "free") {
      this.#require(!this.#freed.has(event.id), `block ${event.id} (${event.tag}) is freed twice`);
      this.#freed.add(event.id);
    }
    if (event.kind !== "process-signaled" && event.kind !== "process-deleted") return;
    const { pool } = this.#k.ex;
    this.#require(pool.bytes >= 0, `${pool.bytes} bytes of pool are in use`);
    for (const { tag, allocations, frees } of pool.tags.values()) {
      this.#require(allocations >= frees, `more blocks ${tag} are freed than were allocated`);
    }
    for (const process of activeProcesses(this.#k)) {
      this.#require(headerOf(process).block?.freed !== true, `process ${process.pid} lies in a free block`);
      for (const thread of threadsOf(process)) {
        this.#require(headerOf(thread).block?.freed !== true, `thread ${thread.tid} lies in a free block`);
      }
    }
    for (const { block, type } of this.#k.ob.live) {
      this.#require(block?.freed !== true, `an object of type ${type.name} lies in a free block`);
    }
  }
}
