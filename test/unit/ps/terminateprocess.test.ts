/** What `NtTerminateProcess` answers, whom it ends, and what it leaves alone. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import {
  CURRENT_PROCESS_HANDLE,
  PROCESS_QUERY_INFORMATION,
  PROCESS_TERMINATE,
  PSF_PROCESS_DELETE,
} from "../../../src/abi/ps.ts";
import {
  DBG_TERMINATE_PROCESS,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PENDING,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  ntStatus,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PsTerminateProcess } from "../../../src/ps/kill.ts";
import { NtTerminateProcess } from "../../../src/ps/killservices.ts";
import { NtOpenProcess } from "../../../src/ps/open.ts";
import {
  Gate,
  ended,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  spin,
  start,
  stepsOf,
} from "../../support/scene.ts";

const UNNAMED = { rootDirectory: 0, name: null, attributes: 0 };

test("NP2: a handle that is none answers INVALID_HANDLE", () => {
  play(function* () {
    expect(yield* nt.NtTerminateProcess(0x1234, 1)).toBe(STATUS_INVALID_HANDLE);
  });
});

test("NP2: a handle to another type answers OBJECT_TYPE_MISMATCH", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* nt.NtTerminateProcess(event, 1)).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("NP2, T-WP2: a handle without PROCESS_TERMINATE answers ACCESS_DENIED and the process lives", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const weak = must(yield* nt.NtOpenProcess(child.id, PROCESS_QUERY_INFORMATION));
    expect(yield* nt.NtTerminateProcess(weak, 1)).toBe(STATUS_ACCESS_DENIED);
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.NtTerminateProcess(child.handle, 1);
  });
});

test("NP2: the type of a handle is checked before its access", () => {
  play(function* () {
    const thread = must(yield* nt.NtOpenThread(yield* nt.call((k) => PsGetCurrentThread(k).tid), 0x40));
    expect(yield* nt.NtTerminateProcess(thread, 1)).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("NP2: the pseudo-handle is checked against what the process may do to itself", () => {
  play(function* () {
    yield* nt.call((k) => {
      PsGetCurrentProcess(k).grantedAccess &= ~PROCESS_TERMINATE;
    });
    expect(yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 1)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* nt.NtTerminateProcess(0, 1)).toBe(STATUS_ACCESS_DENIED);
  });
});

test("D10: the System process cannot be terminated and stays able to start threads", () => {
  const { k } = play(function* () {
    const system = yield* nt.call((k) => k.ps.initialSystemProcess!.pid);
    const handle = must(yield* nt.NtOpenProcess(system));
    expect(yield* nt.NtTerminateProcess(handle, 1)).toBe(STATUS_ACCESS_DENIED);
  });
  expect(k.ps.initialSystemProcess!.flags & PSF_PROCESS_DELETE).toBe(0);
});

test("T-TP2, T-WN2: a process whose only thread is suspended dies with the given status", () => {
  play(function* () {
    const child = yield* spawn(spin, { suspended: true });
    expect(yield* nt.NtTerminateProcess(child.handle, 123)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(123);
  });
});

test("T-TP3: a process blocked in a wait dies with the given status", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      const event = must(yield* nt.NtCreateEvent("notification"));
      yield* nt.NtWaitForSingleObject(event);
    });
    yield* settle();
    expect(yield* nt.NtTerminateProcess(child.handle, 123)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(123);
  });
});

test("T-TP4, NP9: a process ends itself through the pseudo-handle and does not come back", () => {
  const { end } = play(function* () {
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 456);
    throw new Error("the caller lives on");
  });
  expect(end.exitStatus).toBe(456);
});

test("T-TP4, NP9: a real handle to the own process is the own process", () => {
  const { end } = play(function* () {
    const self = must(yield* nt.NtOpenProcess(yield* nt.call((k) => PsGetCurrentProcess(k).pid)));
    yield* nt.NtTerminateProcess(self, 456);
    throw new Error("the caller lives on");
  });
  expect(end.exitStatus).toBe(456);
});

test("NP7: terminating the own process takes every thread of it along, also those that spin", () => {
  const { end, events } = play(function* () {
    for (let index = 0; index < 5; index++) yield* start(index % 2 === 0 ? spin : sleepForever);
    yield* settle();
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 9);
  });
  expect(end.exitStatus).toBe(9);
  const statuses = events.flatMap((event) => (event.kind === "thread-exited" ? [event.status] : []));
  expect(statuses).toEqual([9, 9, 9, 9, 9, 9]);
});

test("NP6: the NULL form ends all other threads, answers SUCCESS, and the caller lives on", () => {
  const { end } = play(function* () {
    const others = [yield* start(spin), yield* start(sleepForever), yield* start(sleepForever, { suspended: true })];
    yield* settle();
    expect(yield* nt.NtTerminateProcess(0, 7)).toBe(STATUS_SUCCESS);
    for (const { handle } of others) expect(yield* joined(handle)).toBe(7);
    expect(yield* nt.call((k) => PsGetCurrentProcess(k).activeThreads)).toBe(1);
    return 3 as never;
  });
  expect(end.exitStatus).toBe(3);
});

test("NP6: after the NULL form the process still creates threads", () => {
  play(function* () {
    expect(yield* nt.NtTerminateProcess(0, 7)).toBe(STATUS_SUCCESS);
    expect(yield* nt.call((k) => PsGetCurrentProcess(k).flags & PSF_PROCESS_DELETE)).toBe(0);
    const late = yield* start(function* () {
      yield* nt.NtTestAlert();
      return 5 as never;
    });
    expect(yield* joined(late.handle)).toBe(5);
  });
});

test("NP6: the NULL form records no exit status", () => {
  play(function* () {
    yield* nt.NtTerminateProcess(0, 7);
    expect(must(yield* nt.queryProcess(CURRENT_PROCESS_HANDLE)).exitStatus).toBe(STATUS_PENDING);
  });
});

test("NP6: RtlExitUserProcess's two calls end the process with the second one's status", () => {
  const { end } = play(function* () {
    yield* start(sleepForever);
    yield* settle();
    yield* nt.NtTerminateProcess(0, 41);
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 41);
  });
  expect(end.exitStatus).toBe(41);
});

test("NP4: a process that has exited answers PROCESS_IS_TERMINATING as long as its object lives", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    expect(yield* ended(child.handle)).toBe(0);
    expect(yield* nt.NtTerminateProcess(child.handle, 1)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(0);
  });
});

test("NP8, Part D 12: two killers of one process both succeed and each thread gets one kill", () => {
  const scene = play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.call((k) => KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: 50_000 }));
    });
    yield* settle();
    expect(yield* nt.NtTerminateProcess(child.handle, 1)).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtTerminateProcess(child.handle, 2)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(1);
  });
  expect(stepsOf(scene).filter((step) => step === "K9")).toHaveLength(1);
  expect(stepsOf(scene).filter((step) => step === "K8")).toHaveLength(1);
});

test("Part D 10: two processes that kill each other both die", () => {
  play(function* () {
    const ids: number[] = [];
    const gate = new Gate();
    const bothKilled = new Gate();
    let kills = 0;
    const killer = (self: number) => () =>
      nt.call(function* (k) {
        // In a critical region neither dies before it has killed the other.
        KeEnterCriticalRegion(k);
        yield* gate.pass(k);
        const clientId = { pid: ids[1 - self]!, tid: 0 };
        const handle = must(
          yield* NtOpenProcess(k, { desiredAccess: PROCESS_TERMINATE, attributes: UNNAMED, clientId }),
        );
        expect(yield* NtTerminateProcess(k, handle, ntStatus(10 + self))).toBe(STATUS_SUCCESS);
        if (++kills === 2) bothKilled.open(k);
        yield* bothKilled.pass(k);
        yield* KeLeaveCriticalRegion(k);
        return STATUS_PENDING;
      });
    const children = [yield* spawn(killer(0)), yield* spawn(killer(1))];
    ids.push(...children.map(({ id }) => id));
    yield* settle();
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(children[0]!.handle)).toBe(11);
    expect(yield* ended(children[1]!.handle)).toBe(10);
  });
});

test("NP11: DBG_TERMINATE_PROCESS clears the debug object of another process, not of the own", () => {
  const cleared: number[] = [];
  const scene = play(
    function* () {
      const child = yield* spawn(sleepForever);
      expect(yield* nt.NtTerminateProcess(child.handle, DBG_TERMINATE_PROCESS)).toBe(STATUS_SUCCESS);
      expect(cleared).toEqual([child.id]);
      expect(yield* ended(child.handle)).toBe(DBG_TERMINATE_PROCESS);
      yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, DBG_TERMINATE_PROCESS);
    },
    {
      prepare: (k) => {
        k.ps.dbgk.clearDebugObject = function* (_k, process) {
          cleared.push(process.pid);
          return STATUS_SUCCESS;
        };
      },
    },
  );
  expect(cleared).toHaveLength(1);
  expect(stepsOf(scene).filter((step) => step === "NP11")).toHaveLength(1);
});

test("D03: the kill of a process needs no memory", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    must(yield* nt.NtCreateThread(sleepForever, { process: child.handle }));
    yield* settle();
    yield* nt.call((k) => {
      k.ex.pool.failure = () => true;
    });
    expect(yield* nt.NtTerminateProcess(child.handle, 5)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(5);
  });
});

test("PT3: PsTerminateProcess answers SUCCESS for a process with a living thread and PROCESS_IS_TERMINATING after its end (D06)", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const kill = () => nt.call((k) => PsTerminateProcess(k, processById(k, child.id), ntStatus(4)));
    expect(yield* kill()).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(4);
    expect(yield* kill()).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});
