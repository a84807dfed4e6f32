/** The debug object of a debugger thread: its handle is in the TEB, and the kernel closes it with the thread. */
import { expect, test } from "vitest";
import { DEBUG_KILL_ON_CLOSE } from "../../../src/abi/dbgk.ts";
import { KernelMode } from "../../../src/abi/ke.ts";
import { CURRENT_THREAD_HANDLE, THREAD_ALL_ACCESS } from "../../../src/abi/ps.ts";
import { ntStatus, STATUS_DEBUGGER_INACTIVE, STATUS_INVALID_HANDLE, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { Teb } from "../../../src/abi/teb.ts";
import { ScriptContext, type Script } from "../../../src/guest/script/context.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { MmCreateTeb } from "../../../src/mm/teb.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspCreateThread } from "../../../src/ps/thread.ts";
import { processorModule } from "../../support/processor.ts";
import { ended, joined, must, play, settle, sleepForever, spawn } from "../../support/scene.ts";

/** Creates a thread with a TEB in the caller's process, as user mode's threads have one. @returns its handle */
function startWithTeb(program: () => Script<void>): Script<number> {
  return nt.call(function* (k) {
    const created = yield* PspCreateThread(k, PsGetCurrentProcess(k), {
      handle: { desiredAccess: THREAD_ALL_ACCESS, attributes: 0, mode: KernelMode },
      setUp: (kernel, thread) => {
        thread.user = new ScriptContext(program, function* () {
          return ntStatus(0);
        });
        const clientId = { process: thread.threadsProcess.pid, thread: thread.tid };
        const teb = MmCreateTeb(kernel, thread.threadsProcess, { clientId, stack: null });
        if (!teb.ok) return teb.status;
        thread.teb = teb.value;
        return STATUS_SUCCESS;
      },
    });
    const { thread, handle } = must(created);
    yield* ObDereferenceObject(k, thread);
    return handle;
  });
}

/** Remembers the debug object where `DbgUiConnectToDbg` does. */
function connectToDbg(debug: number): Script<void> {
  return nt.call((k) => {
    k.mm.user.begin().writeU32(PsGetCurrentThread(k).teb + Teb.DbgSsReserved1, debug);
  });
}

const withMemory = { processor: { module: processorModule(), mode: "interpreter" }, memoryBytes: 16 << 20 } as const;

test("T-DBG3: a debugger thread that exits closes its debug object's handle", () => {
  play(function* () {
    const debug = must(yield* dbg.NtCreateDebugObject(0));
    const thread = yield* startWithTeb(function* () {
      yield* connectToDbg(debug);
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 0);
    });
    yield* joined(thread);
    expect(yield* nt.NtClose(debug)).toBe(STATUS_INVALID_HANDLE);
  }, withMemory);
});

test("T-DBG4: a debugger thread that is killed takes its debuggee along, with DEBUGGER_INACTIVE", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const debug = must(yield* dbg.NtCreateDebugObject(DEBUG_KILL_ON_CLOSE));
    const thread = yield* startWithTeb(function* () {
      yield* connectToDbg(debug);
      yield* dbg.NtDebugActiveProcess(child.handle, debug);
      yield* sleepForever();
    });
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    expect(yield* nt.NtTerminateThread(thread, 3)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
    expect(yield* joined(thread)).toBe(3);
    expect(yield* nt.NtClose(debug)).toBe(STATUS_INVALID_HANDLE);
  }, withMemory);
});
