/** The services on debug objects as user mode reaches them: pointers, lengths, and the structures that are written. */
import { expect, test } from "vitest";
import { DbgState, DEBUG_ALL_ACCESS, WAIT_STATE_CHANGE } from "../../../src/abi/dbgk.ts";
import { MEM_COMMIT, MEM_RESERVE, PAGE_READWRITE } from "../../../src/abi/mm.ts";
import {
  DBG_CONTINUE,
  STATUS_ACCESS_VIOLATION,
  STATUS_BREAKPOINT,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_PORT_NOT_SET,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { debugServices } from "../../../src/nt/services/debug.ts";
import { processQueryServices } from "../../../src/nt/services/queryprocess.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import { debugged } from "../../support/debugger.ts";
import { sharedCpu } from "../../support/hostile.ts";
import { ended, must, play, sleepForever } from "../../support/scene.ts";

const BAD = 0x10;

/** Calls a service with raw arguments. */
function raw(name: string, ...words: number[]): Script<number> {
  const service = [...debugServices, ...processQueryServices].find((candidate) => candidate.name === name);
  if (service === undefined) throw new Error(`there is no ${name}`);
  const given = new Uint32Array(20);
  given.set(words);
  return nt.call((k) => service.handler(k, given));
}

/** A page of memory of the caller's. */
function* page(): Script<number> {
  return yield* nt.call((k) => {
    const wish = { base: 0, zeroBits: 0, size: 0x1000, allocationType: MEM_RESERVE | MEM_COMMIT };
    return must(MmAllocateVirtualMemory(k, PsGetCurrentProcess(k), { ...wish, protection: PAGE_READWRITE })).base;
  });
}

function* read(address: number): Script<number> {
  return yield* nt.call((k) => k.mm.user.begin().readU32(address));
}

function* write(address: number, ...words: number[]): Script<void> {
  yield* nt.call((k) => {
    for (const [index, value] of words.entries()) k.mm.user.begin().writeU32(address + 4 * index, value);
  });
}

/** Plays on a machine with memory. */
function playWithMemory(program: () => Script<void>): void {
  play(program, { processor: sharedCpu() });
}

test("NtCreateDebugObject probes its pointer before it looks at the flags, and writes a handle", () => {
  playWithMemory(function* () {
    const out = yield* page();
    expect(yield* raw("NtCreateDebugObject", BAD, DEBUG_ALL_ACCESS, 0, 2)).toBe(STATUS_ACCESS_VIOLATION);
    expect(yield* raw("NtCreateDebugObject", out, DEBUG_ALL_ACCESS, 0, 2)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* raw("NtCreateDebugObject", out, DEBUG_ALL_ACCESS, 0, 1)).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtClose(yield* read(out))).toBe(STATUS_SUCCESS);
  });
});

test("NtWaitForDebugEvent probes both pointers before it looks at the handle", () => {
  playWithMemory(function* () {
    const out = yield* page();
    expect(yield* raw("NtWaitForDebugEvent", 0x7777, 0, BAD, out)).toBe(STATUS_ACCESS_VIOLATION);
    expect(yield* raw("NtWaitForDebugEvent", 0x7777, 0, 0, BAD)).toBe(STATUS_ACCESS_VIOLATION);
    expect(yield* raw("NtWaitForDebugEvent", 0x7777, 0, 0, out + 2)).toBe(STATUS_DATATYPE_MISALIGNMENT);
    expect(yield* raw("NtWaitForDebugEvent", 0x7777, 0, 0, out)).toBe(STATUS_INVALID_HANDLE);
    const debug = must(yield* dbg.NtCreateDebugObject());
    yield* write(out + 0x100, 0, 0);
    expect(yield* raw("NtWaitForDebugEvent", debug, 0, out + 0x100, out)).toBe(STATUS_TIMEOUT);
  });
});

test("an event is written as DBGUI_WAIT_STATE_CHANGE, and answered by its client id", () => {
  playWithMemory(function* () {
    const out = yield* page();
    const child = yield* debugged(function* () {
      yield* nt.NtRaiseException(STATUS_BREAKPOINT);
      yield* sleepForever();
    });
    expect(yield* raw("NtWaitForDebugEvent", child.debug, 0, 0, out)).toBe(STATUS_SUCCESS);
    expect(yield* read(out)).toBe(DbgState.CreateProcessStateChange);
    expect(yield* read(out + WAIT_STATE_CHANGE.pid)).toBe(child.id);
    for (const offset of [0, 4]) {
      expect(yield* nt.NtClose(yield* read(out + WAIT_STATE_CHANGE.info + offset))).toBe(STATUS_SUCCESS);
    }
    const clientId = out + WAIT_STATE_CHANGE.pid;
    expect(yield* raw("NtDebugContinue", child.debug, BAD, DBG_CONTINUE)).toBe(STATUS_ACCESS_VIOLATION);
    expect(yield* raw("NtDebugContinue", 0x7777, clientId, 1)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* raw("NtDebugContinue", 0x7777, clientId, DBG_CONTINUE)).toBe(STATUS_INVALID_HANDLE);
    expect(yield* raw("NtDebugContinue", child.debug, clientId, DBG_CONTINUE)).toBe(STATUS_SUCCESS);
    expect(yield* raw("NtWaitForDebugEvent", child.debug, 0, 0, out)).toBe(STATUS_SUCCESS);
    expect(yield* read(out)).toBe(DbgState.BreakpointStateChange);
    expect(yield* read(out + WAIT_STATE_CHANGE.info)).toBe(STATUS_BREAKPOINT);
    expect(yield* read(out + WAIT_STATE_CHANGE.info + 0x50)).toBe(1);
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
});

test("NtSetInformationDebugObject looks at class, length, pointer and handle, in this order", () => {
  playWithMemory(function* () {
    const at = yield* page();
    const debug = must(yield* dbg.NtCreateDebugObject());
    yield* write(at, 1, 9);
    expect(yield* raw("NtSetInformationDebugObject", 0x7777, 2, BAD, 4, 0)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* raw("NtSetInformationDebugObject", 0x7777, 1, BAD, 8, at + 4)).toBe(STATUS_INFO_LENGTH_MISMATCH);
    expect(yield* read(at + 4)).toBe(4);
    expect(yield* raw("NtSetInformationDebugObject", 0x7777, 1, BAD, 4, 0)).toBe(STATUS_ACCESS_VIOLATION);
    expect(yield* raw("NtSetInformationDebugObject", 0x7777, 1, at, 4, 0)).toBe(STATUS_INVALID_HANDLE);
    expect(yield* raw("NtSetInformationDebugObject", debug, 1, at, 4, at + 4)).toBe(STATUS_SUCCESS);
    expect(yield* read(at + 4)).toBe(0);
  });
});

const ProcessDebugPort = 7;
const ProcessDebugObjectHandle = 30;
const ProcessDebugFlags = 31;

test("a process says whether it is debugged, by what, and whether its children are", () => {
  playWithMemory(function* () {
    const out = yield* page();
    const query = (process: number, informationClass: number): Script<number> =>
      raw("NtQueryInformationProcess", process, informationClass, out, 4, 0);
    const child = yield* debugged(sleepForever);
    expect(yield* query(child.handle, ProcessDebugPort)).toBe(STATUS_SUCCESS);
    expect(yield* read(out)).toBe(0xffffffff);
    expect(yield* query(child.handle, ProcessDebugFlags)).toBe(STATUS_SUCCESS);
    expect(yield* read(out)).toBe(1);
    expect(yield* query(child.handle, ProcessDebugObjectHandle)).toBe(STATUS_SUCCESS);
    const object = yield* read(out);
    expect(yield* dbg.NtRemoveProcessDebug(child.handle, object)).toBe(STATUS_SUCCESS);
    expect(yield* query(child.handle, ProcessDebugPort)).toBe(STATUS_SUCCESS);
    expect(yield* read(out)).toBe(0);
    expect(yield* query(child.handle, ProcessDebugObjectHandle)).toBe(STATUS_PORT_NOT_SET);
    yield* nt.NtTerminateProcess(child.handle, 0);
    yield* ended(child.handle);
  });
});

test("ProcessDebugFlags decides whether children are debugged, and takes no other value", () => {
  playWithMemory(function* () {
    const at = yield* page();
    const child = yield* debugged(sleepForever);
    const set = (): Script<number> => raw("NtSetInformationProcess", child.handle, ProcessDebugFlags, at, 4);
    const get = function* (): Script<number> {
      yield* raw("NtQueryInformationProcess", child.handle, ProcessDebugFlags, at + 4, 4, 0);
      return yield* read(at + 4);
    };
    yield* write(at, 2);
    expect(yield* set()).toBe(STATUS_INVALID_PARAMETER);
    yield* write(at, 0);
    expect(yield* set()).toBe(STATUS_SUCCESS);
    expect(yield* get()).toBe(0);
    yield* write(at, 1);
    expect(yield* set()).toBe(STATUS_SUCCESS);
    expect(yield* get()).toBe(1);
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
});
