/** What the services on debug objects refuse, and in which order they look. */
import { expect, test } from "vitest";
import {
  DBG_REPLY_LATER,
  DEBUG_PROCESS_ASSIGN,
  DEBUG_READ_EVENT,
  DEBUG_SET_INFORMATION,
} from "../../../src/abi/dbgk.ts";
import {
  DBG_CONTINUE,
  ntStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { answer, debugged, expectEvent, follow, kindsOf } from "../../support/debugger.ts";
import { ended, must, play, sleepForever, spawn, settle } from "../../support/scene.ts";

const NOBODY = { pid: 0x9999, tid: 0x9999 };

test("T-DBG2: unknown flags are refused, on creation and later", () => {
  play(function* () {
    expect(yield* dbg.NtCreateDebugObject(2)).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER });
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtSetInformationDebugObject(debug, 2)).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER });
  });
});

test("waiting wants the right to read events", () => {
  play(function* () {
    const weak = must(yield* dbg.NtCreateDebugObject(0, DEBUG_PROCESS_ASSIGN | DEBUG_SET_INFORMATION));
    expect(yield* dbg.NtWaitForDebugEvent(weak, 0)).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
    expect(yield* dbg.NtDebugContinue(weak, NOBODY)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* dbg.NtSetInformationDebugObject(weak, 0)).toMatchObject({ ok: true });
    const reader = must(yield* dbg.NtCreateDebugObject(0, DEBUG_READ_EVENT));
    expect(yield* dbg.NtWaitForDebugEvent(reader, 0)).toEqual({ ok: false, status: STATUS_TIMEOUT });
    expect(yield* dbg.NtSetInformationDebugObject(reader, 0)).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
  });
});

test("what is no debug object is refused", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* dbg.NtWaitForDebugEvent(event, 0)).toEqual({ ok: false, status: STATUS_OBJECT_TYPE_MISMATCH });
    expect(yield* dbg.NtWaitForDebugEvent(0x7777, 0)).toEqual({ ok: false, status: STATUS_INVALID_HANDLE });
  });
});

test("an answer that is none is refused before the handle is looked at", () => {
  play(function* () {
    expect(yield* dbg.NtDebugContinue(0x7777, NOBODY, ntStatus(0x1234))).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* dbg.NtDebugContinue(0x7777, NOBODY, DBG_CONTINUE)).toBe(STATUS_INVALID_HANDLE);
  });
});

test("an answer for a thread whose event was not read is refused, and changes nothing", () => {
  play(function* () {
    const child = yield* debugged(sleepForever);
    yield* settle();
    const tid = must(yield* nt.queryThread(child.thread)).tid;
    expect(yield* dbg.NtDebugContinue(child.debug, { pid: child.id, tid })).toBe(STATUS_INVALID_PARAMETER);
    const change = yield* expectEvent(child.debug, "create-process");
    expect(yield* dbg.NtDebugContinue(child.debug, { pid: child.id, tid: tid + 4 })).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* dbg.NtDebugContinue(child.debug, { pid: child.id + 4, tid })).toBe(STATUS_INVALID_PARAMETER);
    yield* answer(child.debug, change);
    expect(yield* dbg.NtDebugContinue(child.debug, change.clientId)).toBe(STATUS_INVALID_PARAMETER);
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
});

test("two threads of a debugger get an event once", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtDelayExecution(false, 10_000);
    });
    const got: string[] = [];
    for (let index = 0; index < 2; index++) {
      must(
        yield* nt.NtCreateThread(function* () {
          const change = yield* dbg.NtWaitForDebugEvent(child.debug, 30_000);
          if (!change.ok) return change.status;
          got.push(change.value.message.kind);
          yield* answer(child.debug, change.value);
          return STATUS_SUCCESS;
        }),
      );
    }
    yield* nt.NtDelayExecution(false, 50_000);
    expect(got).toEqual(["create-process", "exit-process"]);
    yield* ended(child.handle);
  });
});

test("DBG_REPLY_LATER: an event that was made up on attaching can be read again", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtDelayExecution(false, 10_000);
    });
    yield* nt.NtDelayExecution(false, 1_000);
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
    yield* answer(debug, yield* expectEvent(debug, "create-process"), DBG_REPLY_LATER);
    expect(kindsOf(yield* follow(debug))).toEqual(["create-process", "exit-process"]);
  });
});
