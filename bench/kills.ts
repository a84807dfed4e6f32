/** Figures of whole processes: created with many threads and killed, from one thread to ten thousand. */
import { nt, type Script } from "../src/index.ts";
import { atMost, type Context, type Duration, figureOf, type Figure, type Group, median } from "./figure.ts";
import { repeated } from "./kernel.ts";
import { runScript } from "./machines.ts";

const SIZES = [1, 10, 100, 1_000, 10_000] as const;
/** Threads in one measurement, in however many processes. */
const THREADS = 10_000;
/** A thread of many may cost this much of what one of few costs: caches have an end. */
const MOST_GROWTH = 1.5;

export const kills: Group = {
  name: "kills",
  measure(context) {
    const figures = SIZES.map((threads) => killsOf(context, threads));
    return [...figures, growth(figures)];
  },
};

/** Time for each thread of a process that is created, filled, killed and gone. */
function killsOf(context: Context, threads: number): Figure {
  const processes = THREADS / threads;
  const name = `process with ${threads.toLocaleString("en")} thread${threads === 1 ? "" : "s"} created and killed`;
  const durations: readonly Duration[] = repeated(context, name, () =>
    runScript("kills", function* () {
      for (let count = 0; count < processes; count++) yield* createAndKill(threads);
    }),
  );
  return figureOf(name, "µs a thread", durations, null, (ms) => (1000 * ms) / THREADS);
}

/** A thread of ten thousand against one of a hundred: more than a little over 1 is not linear. */
function growth(figures: readonly Figure[]): Figure {
  const [, , few, , many] = figures.map(({ samples }) => samples);
  const base = median(few ?? []);
  return {
    name: "a thread of 10,000 costs, against one of 100",
    unit: "times",
    samples: (many ?? []).map((sample) => sample / base),
    wall: null,
    target: atMost(MOST_GROWTH),
  };
}

function* createAndKill(threads: number): Script<void> {
  const child = yield* nt.NtCreateProcess("victim", sleep);
  if (!child.ok) throw new Error("no process");
  const { handle, thread } = child.value;
  for (let count = 1; count < threads; count++) {
    const created = yield* nt.NtCreateThread(sleep, { process: handle });
    if (!created.ok) throw new Error(`no room for thread ${count} of ${threads}`);
    yield* nt.NtClose(created.value.handle);
  }
  // Everybody goes to sleep before the kill.
  yield* nt.NtDelayExecution(false, 10_000);
  yield* nt.NtTerminateProcess(handle, 1);
  yield* nt.NtWaitForSingleObject(handle);
  yield* nt.NtClose(thread);
  yield* nt.NtClose(handle);
}

function* sleep(): Script<void> {
  yield* nt.NtDelayExecution(false, null);
}
