/** A kill APC leaves its queue once for each time that it was queued, and none is left when its thread is signaled. */
import type { Kernel } from "../kernel.ts";
import type { KernelEvent } from "../sim/record.ts";
import { type Check, findThread, type Require } from "./rule.ts";

export class KillApcCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  /** Threads whose kill APC is in a queue. */
  readonly #queued = new Set<number>();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "apc") this.#seeApc(event.act, event.tid, event.apc);
    if (event.kind !== "thread-signaled") return;
    this.#require(!this.#queued.has(event.tid), `thread ${event.tid} is signaled and its kill is still queued`);
    this.#queued.delete(event.tid);
  }

  #seeApc(act: "queued" | "delivered" | "flushed" | "refused", tid: number, apc: number): void {
    if (act === "refused" || findThread(this.#k, tid)?.exitApc?.id !== apc) return;
    if (act === "queued") {
      this.#require(!this.#queued.has(tid), `the kill of thread ${tid} is queued twice`);
      this.#queued.add(tid);
      return;
    }
    this.#require(this.#queued.delete(tid), `the kill of thread ${tid} is ${act} and was not queued`);
  }
}
