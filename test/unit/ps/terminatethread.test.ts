/** What `NtTerminateThread`, `PspTerminateThreadByPointer` and `PsTerminateSystemThread` answer, and whom they end. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import {
  CT_TERMINATED,
  CURRENT_PROCESS_HANDLE,
  CURRENT_THREAD_HANDLE,
  THREAD_SUSPEND_RESUME,
} from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_ACCESS_DENIED,
  STATUS_CANT_TERMINATE_SELF,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PENDING,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from "../../../src/abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../../src/ex/rundown.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObOpenObjectByPointer } from "../../../src/ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspTerminateThreadByPointer, PsTerminateSystemThread } from "../../../src/ps/kill.ts";
import { NtTerminateProcess } from "../../../src/ps/killservices.ts";
import type { EProcess, EThread } from "../../../src/ps/objects.ts";
import { PsCreateSystemThread, PspCreateThread } from "../../../src/ps/thread.ts";
import { listOwners } from "../../../src/rtl/list.ts";
import {
  ended,
  Gate,
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
  threadById,
} from "../../support/scene.ts";

test("NT3: a handle that is none answers INVALID_HANDLE", () => {
  play(function* () {
    expect(yield* nt.NtTerminateThread(0x4444, 1)).toBe(STATUS_INVALID_HANDLE);
  });
});

test("NT3: a handle to another type answers OBJECT_TYPE_MISMATCH, also the pseudo-handle of the process", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* nt.NtTerminateThread(event, 1)).toBe(STATUS_OBJECT_TYPE_MISMATCH);
    expect(yield* nt.NtTerminateThread(0xffffffff, 1)).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("NT3, T-WT3: a handle without THREAD_TERMINATE answers ACCESS_DENIED and the thread lives", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    const weak = must(yield* nt.NtOpenThread(child.id, THREAD_SUSPEND_RESUME));
    expect(yield* nt.NtTerminateThread(weak, 1)).toBe(STATUS_ACCESS_DENIED);
    yield* settle();
    expect(must(yield* nt.queryThread(child.handle)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.NtTerminateThread(child.handle, 1);
  });
});

test("NT1: the only thread of a process may not end itself with the NULL handle", () => {
  const { end } = play(function* () {
    expect(yield* nt.NtTerminateThread(0, 5)).toBe(STATUS_CANT_TERMINATE_SELF);
    return 6 as never;
  });
  expect(end.exitStatus).toBe(6);
});

test("NT1: a thread with a living sibling ends itself with the NULL handle", () => {
  const { end } = play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTerminateThread(0, 5);
      throw new Error("the caller lives on");
    });
    expect(yield* joined(child.handle)).toBe(5);
    return 6 as never;
  });
  expect(end.exitStatus).toBe(6);
});

test("NT1: a sibling that has exited and is still referenced does not count", () => {
  play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* joined(child.handle);
    expect(yield* nt.NtTerminateThread(0, 5)).toBe(STATUS_CANT_TERMINATE_SELF);
  });
});

test("D33: two threads that both ask while both live both get their way, and the process ends", () => {
  let process: EProcess | null = null;
  play(function* () {
    const child = yield* spawn(function* () {
      const both = function* () {
        yield* nt.NtTerminateThread(0, 8);
        throw new Error("the caller lives on");
      };
      const sibling = yield* start(both);
      yield* nt.call((k) => {
        // Held at the door of the exit (E6), neither has been counted out when the other one asks.
        process = PsGetCurrentProcess(k);
        for (const thread of [PsGetCurrentThread(k), threadById(k, sibling.id)]) {
          ExAcquireRundownProtection(thread.rundownProtect);
        }
      });
      yield* both();
    });
    yield* settle();
    yield* nt.call((k) => {
      for (const thread of listOwners(process!.ethreadListHead)) ExReleaseRundownProtection(k, thread.rundownProtect);
    });
    expect(yield* ended(child.handle)).toBe(8);
  });
});

test("NT2, T-NT3: the pseudo-handle ends the caller, and with the last thread the process", () => {
  const { end } = play(function* () {
    yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 11);
    throw new Error("the caller lives on");
  });
  expect(end.exitStatus).toBe(11);
});

test("NT2: the pseudo-handle asks for no access", () => {
  const { end } = play(function* () {
    yield* nt.call((k) => {
      PsGetCurrentThread(k).grantedAccess = 0;
    });
    yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 12);
  });
  expect(end.exitStatus).toBe(12);
});

test("NT5: a real handle to the caller ends the caller, without the check of the NULL form", () => {
  const { end } = play(function* () {
    const self = must(yield* nt.NtOpenThread(yield* nt.call((k) => PsGetCurrentThread(k).tid)));
    yield* nt.NtTerminateThread(self, 13);
    throw new Error("the caller lives on");
  });
  expect(end.exitStatus).toBe(13);
});

test("NT4: another thread ends with the given status, the rest of the process lives", () => {
  const { end } = play(function* () {
    const child = yield* start(spin);
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 99)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(99);
    return 1 as never;
  });
  expect(end.exitStatus).toBe(1);
});

test("K8: the second kill answers SUCCESS and the first one's status stands", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* start(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 1)).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtTerminateThread(child.handle, 2)).toBe(STATUS_SUCCESS);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(1);
    expect(yield* nt.NtTerminateThread(child.handle, 3)).toBe(STATUS_SUCCESS);
    expect(must(yield* nt.queryThread(child.handle)).exitStatus).toBe(1);
  });
});

test("K7: a killed thread is marked long before it is signaled", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* start(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* settle();
    const flags = yield* nt.call((k) => threadById(k, child.id).crossThreadFlags);
    expect(flags & CT_TERMINATED).toBe(CT_TERMINATED);
    expect(must(yield* nt.queryThread(child.handle))).toMatchObject({ signaled: false, exitStatus: STATUS_PENDING });
    yield* nt.call((k) => {
      gate.open(k);
    });
    yield* joined(child.handle);
  });
});

/** Starts a system thread that sleeps until the test ends. */
function* sleepingSystemThread(k: Kernel) {
  const created = yield* PsCreateSystemThread(
    k,
    function* (kernel) {
      yield* KeDelayExecutionThread(kernel, { mode: KernelMode, alertable: false, timeout100ns: 100_000 });
    },
    "sleeper",
  );
  return must(created);
}

test("K5: a system thread cannot be killed from outside and is not marked", () => {
  const scene = play(function* () {
    // The System process must not lose its last thread.
    yield* nt.call((k) => {
      k.ex.upcalls.createSystemThread(k, (kernel) => new Gate().pass(kernel), "keeper");
    });
    const thread = yield* nt.call(sleepingSystemThread);
    const handle = must(yield* nt.call((k) => ObOpenObjectByPointer(k, thread, 0x1fffff, 0, KernelMode)));
    expect(yield* nt.NtTerminateThread(handle, 1)).toBe(STATUS_ACCESS_DENIED);
    expect(thread.crossThreadFlags & CT_TERMINATED).toBe(0);
    yield* nt.call((k) => ObDereferenceObject(k, thread));
    expect(yield* joined(handle)).toBe(0);
  });
  expect(stepsOf(scene)).not.toContain("K9");
});

test("K10: a thread that takes no more APCs answers UNSUCCESSFUL", () => {
  play(function* () {
    yield* nt.call(function* (k) {
      const refused: EThread[] = [];
      // A creation that fails leaves a thread that never ran; somebody still refers to it.
      const setUp = (_k: Kernel, thread: EThread) => {
        ObReferenceObject(thread);
        refused.push(thread);
        return STATUS_NO_MEMORY;
      };
      expect(yield* PspCreateThread(k, PsGetCurrentProcess(k), { setUp })).toMatchObject({ status: STATUS_NO_MEMORY });
      const thread = refused[0]!;
      const kill = { self: false, route: "killed", via: "test" } as const;
      expect(yield* PspTerminateThreadByPointer(k, thread, ntStatus(1), kill)).toBe(STATUS_UNSUCCESSFUL);
      yield* ObDereferenceObject(k, thread);
    });
  });
});

test("D03: the kill of a thread needs no memory", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    yield* settle();
    const before = yield* nt.call((k) => {
      k.ex.pool.failure = () => true;
      return k.ex.pool.live.size;
    });
    expect(yield* nt.NtTerminateThread(child.handle, 5)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(5);
    // The worker that reaps the thread is the machine's own: a thread and a stack, which must succeed.
    expect(yield* nt.call((k) => k.ex.pool.live.size)).toBeLessThanOrEqual(before + 2);
  });
});

test("PsTerminateSystemThread answers INVALID_PARAMETER to a thread that is none, and it lives", () => {
  const { end } = play(function* () {
    expect(yield* nt.call((k) => PsTerminateSystemThread(k, STATUS_SUCCESS))).toBe(STATUS_INVALID_PARAMETER);
    return 4 as never;
  });
  expect(end.exitStatus).toBe(4);
});

test("PsTerminateSystemThread ends a system thread with the given status", () => {
  play(function* () {
    yield* nt.call((k) => {
      k.ex.upcalls.createSystemThread(k, (kernel) => new Gate().pass(kernel), "keeper");
    });
    const thread = yield* nt.call(function* (k) {
      const routine = function* (kernel: Kernel) {
        yield* PsTerminateSystemThread(kernel, ntStatus(0x77));
      };
      return must(yield* PsCreateSystemThread(k, routine, "suicide"));
    });
    const handle = must(yield* nt.call((k) => ObOpenObjectByPointer(k, thread, 0x1fffff, 0, KernelMode)));
    expect(yield* joined(handle)).toBe(0x77);
    yield* nt.call((k) => ObDereferenceObject(k, thread));
  });
});

test("D15: an attached thread that terminates -1 ends the process it is attached to and lives on", () => {
  const { end } = play(function* () {
    const child = must(yield* nt.NtCreateProcess("host.exe", sleepForever));
    yield* settle();
    yield* nt.call(function* (k) {
      const thread = PsGetCurrentThread(k);
      const host = processById(k, child.id);
      const undo = KeStackAttachProcess(k, host);
      expect(PsGetCurrentProcess(k)).toBe(host);
      expect(yield* NtTerminateProcess(k, CURRENT_PROCESS_HANDLE, ntStatus(21))).toBe(STATUS_SUCCESS);
      expect(thread.crossThreadFlags & CT_TERMINATED).toBe(0);
      yield* KeUnstackDetachProcess(k, undo);
    });
    expect(yield* nt.NtWaitForSingleObject(child.handle)).toBe(0);
    return 2 as never;
  });
  expect(end.exitStatus).toBe(2);
});
