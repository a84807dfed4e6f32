/**
 * What a machine says about its end: shared by the machine, which knows it, and the report, which writes it down. Plain
 * values in words and numbers of the guest, so that two runs of one program say the same.
 */

/** How a run ended. `limit` is also the outcome of a run that was stopped from outside. */
export type MachineOutcome = "exited" | "crashed" | "bugcheck" | "deadlock" | "limit";

/** The end of a run. */
export interface MachineEnd {
  readonly outcome: MachineOutcome;
  /** Exit status of the first program, an unsigned 32-bit number; 0 if it did not end. */
  readonly exitStatus: number;
  /** One clause in plain words, such as `instruction limit of 1000000`; empty if there is nothing to add. */
  readonly detail: string;
}

/** Something that is still alive at the end of a run, and what keeps it so. */
export interface LeakEntry {
  /** What kind of thing: `object`, `handle`, `pool`, `id`, `frame`. */
  readonly kind: string;
  readonly id: number;
  /** Object type or pool tag. */
  readonly type: string;
  /** Each holder, in plain words: `handle 0x44 of process 8`. */
  readonly pinnedBy: readonly string[];
}

/** One thing that a blocked thread waits for. */
export interface WaitGraphEdge {
  /** What it is, in plain words: `event`, `critical section`, `thread`. */
  readonly kind: string;
  /** The handle or address by which the program knows it; 0 if it has neither. */
  readonly id: number;
  /** Its name, or where it lies; null if it has none. */
  readonly name: string | null;
  /** The thread that alone can end the wait (owner of a lock, the awaited thread itself), or null. */
  readonly owner: number | null;
  /** One more clause in plain words, or empty. */
  readonly note: string;
}

/** A thread that cannot go on. */
export interface WaitGraphThread {
  readonly pid: number;
  readonly tid: number;
  readonly name: string | null;
  readonly waitsFor: readonly WaitGraphEdge[];
}

/** Who waits for what when nothing can run any more. */
export interface WaitGraph {
  readonly threads: readonly WaitGraphThread[];
  /** Thread ids in the order of the wait, each waiting for the next and the last for the first; empty if there is no ring. */
  readonly cycle: readonly number[];
}
