/**
 * Locks are taken in the order of `docs/locks.md`, released by those who hold them, and held by nobody who returns to user
 * mode or has ended.
 */
import type { KernelEvent } from "../sim/record.ts";
import type { Check, Require } from "./rule.ts";

/** Outermost first. Locks of other names may be taken anywhere. */
const ORDER = ["PspActiveProcessMutex", "DbgkpProcessDebugPortMutex", "ProcessLock", "DebugObject"];
/** Never held together: neither may be waited for by a holder of the other. */
const APART: readonly (readonly [string, string])[] = [
  ["PspActiveProcessMutex", "ProcessLock"],
  ["ProcessLock", "DebugObject"],
];

export class LockCheck implements Check {
  readonly #require: Require;
  /** Names of the locks that a thread holds, in the order in which it took them. */
  readonly #held = new Map<number, string[]>();

  constructor(require: Require) {
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind === "lock") {
      if (event.act === "acquire") this.#acquire(event.tid, event.name);
      else this.#release(event.tid, event.name);
    }
    if (event.kind === "system-call") this.#holdsNothing(event.tid, `returns to user mode from ${event.name}`);
    if (event.kind === "thread-signaled") this.#holdsNothing(event.tid, "is signaled");
  }

  #acquire(tid: number, name: string): void {
    const held = this.#held.get(tid) ?? [];
    const rank = ORDER.indexOf(name);
    for (const other of held) {
      const otherRank = ORDER.indexOf(other);
      this.#require(
        rank < 0 || otherRank < 0 || otherRank <= rank,
        `thread ${tid} takes ${name} while it holds ${other}`,
      );
      const apart = APART.some((pair) => pair.includes(name) && pair.includes(other) && name !== other);
      this.#require(!apart, `thread ${tid} holds ${other} together with ${name}`);
    }
    this.#held.set(tid, [...held, name]);
  }

  #release(tid: number, name: string): void {
    const held = this.#held.get(tid) ?? [];
    const index = held.lastIndexOf(name);
    this.#require(index >= 0, `thread ${tid} releases ${name} and does not hold it`);
    if (index >= 0) held.splice(index, 1);
    if (held.length === 0) this.#held.delete(tid);
  }

  #holdsNothing(tid: number, what: string): void {
    const held = this.#held.get(tid) ?? [];
    this.#require(held.length === 0, `thread ${tid} ${what} and holds ${held.join(", ")}`);
  }
}
