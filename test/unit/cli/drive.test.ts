import { describe, expect, it } from "vitest";
import type { MachineEnd } from "../../../src/abi/report.ts";
import { drive, type DriveOptions, type Runnable } from "../../../apps/cli/drive.ts";

const EXITED: MachineEnd = { outcome: "exited", exitStatus: 7, detail: "" };

/** A machine and a host whose clock only moves when a turn is made. */
class Bench {
  now = 0;
  turns = 0;
  pauses = 0;
  listening = false;
  status: number | null = null;
  nobodyReads = false;
  stoppedWith = "";
  private readonly turnsToEnd: number;
  private readonly millisecondsPerTurn: number;

  constructor(options: { turnsToEnd: number; millisecondsPerTurn: number }) {
    this.turnsToEnd = options.turnsToEnd;
    this.millisecondsPerTurn = options.millisecondsPerTurn;
  }

  readonly machine: Runnable = {
    run: ({ turns, stop }) => {
      for (let turn = 0; turn < turns; turn++) {
        this.turns++;
        this.now += this.millisecondsPerTurn;
        if (this.turns >= this.turnsToEnd) return EXITED;
        if (stop()) return null;
      }
      return null;
    },
    stop: (why) => {
      this.stoppedWith = why;
      return { outcome: "limit", exitStatus: 0, detail: why };
    },
  };

  options(changes: Partial<DriveOptions> = {}): DriveOptions {
    return {
      timeoutMilliseconds: null,
      interruption: {
        listen: () => (this.listening = true),
        ignore: () => (this.listening = false),
        status: null,
      },
      clock: () => this.now,
      pause: () => {
        this.pauses++;
        return Promise.resolve();
      },
      afterSlice: () => this.nobodyReads,
      ...changes,
    };
  }
}

describe("a run", () => {
  it("that is short never lets go of the processor", async () => {
    const bench = new Bench({ turnsToEnd: 50, millisecondsPerTurn: 0.1 });
    expect(await drive(bench.machine, bench.options())).toEqual({ end: EXITED, stopped: null });
    expect(bench.pauses).toBe(0);
  });

  it("that is long pauses about every 20 ms", async () => {
    const bench = new Bench({ turnsToEnd: 100_000, millisecondsPerTurn: 0.01 });
    await drive(bench.machine, bench.options());
    expect(bench.pauses).toBeGreaterThanOrEqual(40);
    expect(bench.pauses).toBeLessThanOrEqual(50);
  });

  it("with slow turns looks at the clock after each", async () => {
    const bench = new Bench({ turnsToEnd: 20, millisecondsPerTurn: 15 });
    await drive(bench.machine, bench.options());
    expect(bench.pauses).toBeGreaterThanOrEqual(9);
  });

  it("with fast turns rarely looks at the clock", async () => {
    const bench = new Bench({ turnsToEnd: 100_000, millisecondsPerTurn: 0.001 });
    let looks = 0;
    await drive(bench.machine, bench.options({ clock: () => (looks++, bench.now) }));
    expect(looks).toBeLessThan(1000);
  });

  it("listens to signals only while it lasts", async () => {
    const bench = new Bench({ turnsToEnd: 100, millisecondsPerTurn: 1 });
    const heard: boolean[] = [];
    const pause = () => {
      heard.push(bench.listening);
      return Promise.resolve();
    };
    await drive(bench.machine, bench.options({ pause }));
    expect([heard.every(Boolean), heard.length > 0, bench.listening]).toEqual([true, true, false]);
  });

  it("stops at its time limit", async () => {
    const bench = new Bench({ turnsToEnd: Infinity, millisecondsPerTurn: 1 });
    const { end, stopped } = await drive(bench.machine, bench.options({ timeoutMilliseconds: 500 }));
    expect([stopped, end.detail]).toEqual(["timeout", "--timeout of 0.5 s on this machine"]);
    expect(bench.now).toBeLessThan(560);
  });

  it("stops at the slice after a signal", async () => {
    const bench = new Bench({ turnsToEnd: Infinity, millisecondsPerTurn: 1 });
    const interruption = { listen: () => undefined, ignore: () => undefined, status: null as number | null };
    const pause = () => {
      interruption.status = 130;
      return Promise.resolve();
    };
    const { stopped } = await drive(bench.machine, bench.options({ interruption, pause }));
    expect([stopped, bench.now <= 40]).toEqual(["interrupted", true]);
  });

  it("stops when nobody reads its output any more", async () => {
    const bench = new Bench({ turnsToEnd: Infinity, millisecondsPerTurn: 1 });
    bench.nobodyReads = true;
    expect((await drive(bench.machine, bench.options())).stopped).toBe("nobody-reads");
  });

  it("that is short ends by itself, even if nobody reads its output", async () => {
    const bench = new Bench({ turnsToEnd: 400, millisecondsPerTurn: 1 });
    bench.nobodyReads = true;
    expect((await drive(bench.machine, bench.options())).end).toEqual(EXITED);
  });

  it("that ended by itself is not called stopped, even if nobody reads its output", async () => {
    const bench = new Bench({ turnsToEnd: 1, millisecondsPerTurn: 1 });
    bench.nobodyReads = true;
    expect((await drive(bench.machine, bench.options())).stopped).toBeNull();
  });
});
