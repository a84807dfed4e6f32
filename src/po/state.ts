/** The power manager's state: who keeps the machine awake, who asked for fast clock ticks, and whether it goes down. */

export interface PoState {
  /** Threads that ask that the machine, or its display, stay on. */
  systemRequired: number;
  displayRequired: number;
  /** What processes asked for with `NtSetTimerResolution`, in 100 ns; by the process. */
  readonly timerRequests: Map<object, number>;
  /** `SHUTDOWN_ACTION` of the shutdown that is under way; null: none is. */
  shutdown: number | null;
}

export function createPoState(): PoState {
  return { systemRequired: 0, displayRequired: 0, timerRequests: new Map(), shutdown: null };
}
