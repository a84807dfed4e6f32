/** A thread that was told to die finishes the system call that it is in, and makes no other. */
import type { KernelEvent } from "../sim/record.ts";
import type { Check, Require } from "./rule.ts";

export class UserModeCheck implements Check {
  readonly #require: Require;
  /** System calls that a thread has finished since somebody else marked it. */
  readonly #callsAfterMark = new Map<number, number>();

  constructor(require: Require) {
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "thread-deleted") this.#callsAfterMark.delete(event.tid);
    if (event.kind === "thread-marked") {
      const { killer } = event.request;
      if (killer === null || killer.tid !== event.tid) this.#callsAfterMark.set(event.tid, 0);
    }
    if (event.kind !== "system-call") return;
    const calls = this.#callsAfterMark.get(event.tid);
    if (calls === undefined) return;
    this.#callsAfterMark.set(event.tid, calls + 1);
    this.#require(calls === 0, `thread ${event.tid} was told to die and calls ${event.name}`);
  }
}
