/**
 * What a scenario is: a small cast of threads, the order in which they go, and what must not be seen afterwards. With the
 * erratum that it shows, the machine does what the seed does and the violation is there; without it, it is not.
 */
import type { Script } from "../guest/script/context.ts";
import type { MachineOptions } from "../machine/options.ts";
import type { Stage } from "./stage.ts";

/**
 * One thread goes, and whoever is parked stays so. It is over when the thread comes to the gap `until`, when its program
 * has returned, or when so much virtual time has passed.
 */
export interface Turn {
  readonly run: string;
  readonly until?: string;
  /** 100 ns; a millisecond unless said otherwise. */
  readonly for100ns?: number;
}

export interface Scenario {
  /** `d02-kill-lost-by-suspended-killer`. */
  readonly id: string;
  /** The errata that it shows, `D02`: with any of them on, and only then, the violation is there. */
  readonly defects: readonly string[];
  /** One line. */
  readonly meaning: string;
  /**
   * Why what it shows is no defect here: the documented interface has it so, or it is for others to avoid. Then it is seen
   * whatever errata are on, and its defects have none.
   */
  readonly kept?: string;
  readonly machine?: Partial<MachineOptions>;
  /** Makes the cast. Runs in the first process, on a thread that comes before all others. */
  readonly setUp: (stage: Stage) => Script<void>;
  readonly schedule: readonly Turn[];
  /**
   * What is wrong, in a sentence, or null. Asked when the schedule is over and everybody had a millisecond more, and once
   * again when the machine has ended, in whatever way ({@link Stage.end}).
   */
  readonly violation: (stage: Stage) => string | null;
  /** Makes those able to end that the end of their process would not end. */
  readonly cleanUp?: (stage: Stage) => Script<void>;
}

/** The thread goes until it has nothing more to do. */
export function run(thread: string): Turn {
  return { run: thread };
}

/** The thread goes until it comes to the gap. */
export function until(thread: string, gap: string): Turn {
  return { run: thread, until: gap };
}
