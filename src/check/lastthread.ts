/**
 * The steps of an exit come in ascending order, each once. One thread of a process is its last one; it passes E10 last,
 * and only it takes the steps that end the process.
 */
import type { KernelEvent } from "../sim/record.ts";
import type { Check, Require } from "./rule.ts";

/** Steps that a thread may take more than once: it has several siblings, or several ports. */
const REPEATED = new Set(["E13", "E21"]);
const FIRST_EXIT_STEP_ALONE = 34;
const LAST_EXIT_STEP_ALONE = 40;

export class LastThreadCheck implements Check {
  readonly #require: Require;
  /** Number of the last step of its exit that a thread has taken. */
  readonly #lastStep = new Map<number, number>();
  readonly #lastThread = new Map<number, number>();

  constructor(require: Require) {
    this.#require = require;
  }

  see(event: KernelEvent): void {
    // Ids are used again, so what is known of an object goes with it.
    if (event.kind === "thread-deleted") this.#lastStep.delete(event.tid);
    if (event.kind === "process-deleted") this.#lastThread.delete(event.pid);
    if (event.kind !== "step" || !/^E\d+$/.test(event.step)) return;
    const { step, pid, tid } = event;
    const number = Number(step.slice(1));
    const before = this.#lastStep.get(tid) ?? 0;
    const again = REPEATED.has(step) && number === before;
    this.#require(number > before || again, `thread ${tid} takes ${step} after E${before}`);
    this.#lastStep.set(tid, number);
    if (step === "E10") {
      this.#require(this.#lastThread.get(pid) === undefined, `thread ${tid} leaves process ${pid} after its last one`);
    }
    if (step === "E11") this.#lastThread.set(pid, tid);
    const alone = (number >= FIRST_EXIT_STEP_ALONE && number <= LAST_EXIT_STEP_ALONE) || number === 43 || number === 46;
    if (alone) this.#require(this.#lastThread.get(pid) === tid, `thread ${tid} takes ${step} and is not the last`);
  }
}
