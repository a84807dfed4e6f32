/** What a thread must have let go of when it is signaled: locks, mutants, requests, timers, APCs, ports. */
import type { Kernel } from "../kernel.ts";
import { isLinked, isListEmpty } from "../rtl/list.ts";
import type { KernelEvent } from "../sim/record.ts";
import { type Check, findThread, type Require } from "./rule.ts";

export class RemainsCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    if (event.kind !== "thread-signaled") return;
    const { tid } = event;
    const thread = findThread(this.#k, tid);
    this.#require(thread !== null, `thread ${tid} is signaled without an id`);
    if (thread === null) return;
    const { apcState } = thread;
    this.#require(thread.combinedApcDisable === 0, `thread ${tid} is signaled with its APCs off`);
    this.#require(thread.apcStateIndex === 0, `thread ${tid} is signaled while it is attached`);
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
  }
}
