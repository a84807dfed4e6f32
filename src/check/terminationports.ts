/** Every registered termination port is referenced as often as it is registered, and let go of once. */
import { TAG_TERMINATION_PORT } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import type { EThread } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { type Check, findThread, type Require } from "./rule.ts";

export class TerminationPortCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  /** Blocks of entries that are allocated. */
  readonly #entries = new Set<number>();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "pool" && event.tag === TAG_TERMINATION_PORT) this.#seeBlock(event.act, event.id);
    if (event.kind !== "step" || (event.step !== "RT3" && event.step !== "E20")) return;
    const thread = findThread(this.#k, event.tid);
    if (thread !== null) this.#checkThread(thread);
  }

  #seeBlock(act: "allocate" | "free" | "fail", id: number): void {
    if (act === "allocate") this.#entries.add(id);
    if (act === "free") this.#require(this.#entries.delete(id), `the entry ${id} of a termination port is freed twice`);
  }

  #checkThread(thread: EThread): void {
    const registrations = new Map<object, number>();
    for (let entry = thread.terminationPort; entry !== null; entry = entry.next) {
      const { port, block } = entry;
      registrations.set(port, (registrations.get(port) ?? 0) + 1);
      this.#require(!block.freed, `thread ${thread.tid} has a termination port whose entry is free`);
      const { pointerCount } = headerOf(port);
      const least = registrations.get(port) ?? 0;
      this.#require(pointerCount >= least, `a port that thread ${thread.tid} registered is not referenced for it`);
    }
  }
}
