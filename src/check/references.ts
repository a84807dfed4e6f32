/**
 * References: a thread has one until it has been reaped, a process one for each of its threads; a handle leads to an object
 * that lives, and counts; and no count is ever below zero.
 */
import { ExEnumHandleTable } from "../ex/handle.ts";
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import type { EProcess } from "../ps/objects.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, findProcess, type Require, threadsOf } from "./rule.ts";

export class ReferenceCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;
  /** Threads that are signaled and not reaped yet. */
  readonly #unreaped = new Set<number>();

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    switch (event.kind) {
      case "thread-signaled":
        this.#unreaped.add(event.tid);
        break;
      case "thread-reaped":
        this.#unreaped.delete(event.tid);
        break;
      case "thread-deleted":
        this.#require(!this.#unreaped.delete(event.tid), `thread ${event.tid} is deleted before it is reaped`);
        break;
      case "thread-exited":
      case "process-exiting":
        this.#checkProcess(findProcess(this.#k, event.pid));
        break;
      case "process-signaled":
        for (const process of activeProcesses(this.#k)) this.#checkProcess(process);
        break;
      default:
    }
  }

  #checkProcess(process: EProcess | null): void {
    if (process === null) return;
    const { pid } = process;
    const threads = threadsOf(process);
    const { pointerCount } = headerOf(process);
    this.#require(
      pointerCount >= threads.length,
      `process ${pid} has ${threads.length} threads and ${pointerCount} references`,
    );
    for (const thread of threads) {
      const { tid, rundownProtect } = thread;
      this.#require(this.#k.ob.live.has(headerOf(thread)), `process ${pid} lists thread ${tid}, which is deleted`);
      const kept = thread.signalState !== 0 || headerOf(thread).pointerCount > 0;
      this.#require(kept, `thread ${tid} runs and nobody refers to it`);
      this.#require(rundownProtect.count >= 0, `the rundown of thread ${tid} was released more often than taken`);
    }
    this.#require(
      process.rundownProtect.count >= 0,
      `the rundown of process ${pid} was released more often than taken`,
    );
    this.#checkHandles(process);
  }

  #checkHandles(process: EProcess): void {
    if (process.objectTable === null) return;
    ExEnumHandleTable(process.objectTable, (handle, { object }) => {
      if (object === null) return false;
      const header = headerOf(object);
      const name = `handle 0x${handle.toString(16)} of process ${process.pid}`;
      this.#require(this.#k.ob.live.has(header), `${name} leads to an object that is deleted`);
      this.#require(header.handleCount > 0, `${name} leads to an object without handles`);
      this.#require(header.pointerCount >= header.handleCount, `${name} leads to an object with too few references`);
      return false;
    });
  }
}
