/** Power requests and clock resolutions: who made them, and that they end with their thread or process (E7, X3, X5). */
import { expect, test } from "vitest";
import { PSF_SET_TIMER_RESOLUTION } from "../../../src/abi/ps.ts";
import { STATUS_INVALID_PARAMETER } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import {
  currentTimerResolution,
  ES_CONTINUOUS,
  ES_DISPLAY_REQUIRED,
  ES_SYSTEM_REQUIRED,
  ES_USER_PRESENT,
  PoSetThreadExecutionState,
  PoSetTimerResolution,
} from "../../../src/po/power.ts";
import { STATUS_TIMER_RESOLUTION_NOT_SET } from "../../../src/po/status.ts";
import { PsGetCurrentThread } from "../../../src/ps/current.ts";
import { ended, joined, must, play, settle, sleepForever, spawn, start, stepsOf } from "../../support/scene.ts";

const COARSE = 156_250;

function* setState(flags: number): Script<number> {
  return must(yield* nt.call((k) => PoSetThreadExecutionState(k, PsGetCurrentThread(k), flags)));
}

function* required(): Script<readonly [number, number]> {
  return yield* nt.call((k) => [k.po.systemRequired, k.po.displayRequired] as const);
}

test("E7: the end of a thread drops its execution-state requests", () => {
  play(function* () {
    yield* setState((ES_CONTINUOUS | ES_SYSTEM_REQUIRED) >>> 0);
    const child = yield* start(function* () {
      yield* setState((ES_CONTINUOUS | ES_SYSTEM_REQUIRED | ES_DISPLAY_REQUIRED) >>> 0);
      yield* sleepForever();
    });
    yield* settle();
    expect(yield* required()).toEqual([2, 1]);
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    expect(yield* required()).toEqual([1, 0]);
  });
});

test("an execution state lasts until it is replaced, and the state before is answered", () => {
  play(function* () {
    expect(yield* setState((ES_CONTINUOUS | ES_DISPLAY_REQUIRED) >>> 0)).toBe(ES_CONTINUOUS);
    expect(yield* setState(ES_SYSTEM_REQUIRED)).toBe((ES_CONTINUOUS | ES_DISPLAY_REQUIRED) >>> 0);
    expect(yield* required()).toEqual([0, 1]);
    expect(yield* setState(ES_CONTINUOUS)).toBe((ES_CONTINUOUS | ES_DISPLAY_REQUIRED) >>> 0);
    expect(yield* required()).toEqual([0, 0]);
  });
});

test("unknown execution states are refused", () => {
  play(function* () {
    for (const flags of [0x10, (ES_CONTINUOUS | ES_USER_PRESENT) >>> 0]) {
      const answer = yield* nt.call((k) => PoSetThreadExecutionState(k, PsGetCurrentThread(k), flags));
      expect(answer).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER });
    }
  });
});

test("X5: the end of a process takes its clock resolution back", () => {
  const scene = play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.call((k) => {
        const process = PsGetCurrentThread(k).threadsProcess;
        const answer = PoSetTimerResolution(k, process, { resolution100ns: 10_000, set: true });
        expect(answer).toEqual({ ok: true, value: 10_000 });
        expect(process.flags & PSF_SET_TIMER_RESOLUTION).not.toBe(0);
      });
      yield* sleepForever();
    });
    yield* settle();
    expect(yield* nt.call(currentTimerResolution)).toBe(10_000);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(yield* nt.call(currentTimerResolution)).toBe(COARSE);
  });
  expect(stepsOf(scene).filter((step) => step === "X5")).toHaveLength(1);
});

test("the clock has the finest resolution that anybody asks for, within its limits", () => {
  play(function* () {
    yield* nt.call((k) => {
      const one = { flags: 0 };
      const two = { flags: 0 };
      const ask = (who: { flags: number }, resolution100ns: number, set: boolean) =>
        PoSetTimerResolution(k, who, { resolution100ns, set });
      expect(ask(one, 0, false)).toEqual({ ok: false, status: STATUS_TIMER_RESOLUTION_NOT_SET });
      expect(ask(one, 20_000, true)).toEqual({ ok: true, value: 20_000 });
      expect(ask(two, 1, true)).toEqual({ ok: true, value: 5_000 });
      expect(ask(two, 0, false)).toEqual({ ok: true, value: 20_000 });
      expect(ask(one, 0, false)).toEqual({ ok: true, value: COARSE });
    });
  });
});
