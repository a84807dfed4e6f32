/** A debugger for scenes: reads events, answers them, and says in short what it saw. */
import { expect } from "vitest";
import { DEBUG_KILL_ON_CLOSE } from "../../src/abi/dbgk.ts";
import { DBG_CONTINUE, type NtStatus, STATUS_SUCCESS } from "../../src/abi/status.ts";
import type { StateChange } from "../../src/dbgk/services.ts";
import type { Script, ScriptProgram } from "../../src/guest/script/context.ts";
import { debugServices as dbg } from "../../src/guest/script/debugservices.ts";
import { nt, type ScriptChild } from "../../src/guest/script/services.ts";
import { must } from "./scene.ts";

export interface Debuggee extends ScriptChild {
  /** Handle of its first thread. */
  readonly thread: number;
  /** Handle of the debug object. */
  readonly debug: number;
}

/** Starts a process under a new debug object, which kills it when it is closed. */
export function* debugged(program: ScriptProgram | null, flags: number = DEBUG_KILL_ON_CLOSE): Script<Debuggee> {
  const debug = must(yield* dbg.NtCreateDebugObject(flags));
  const child = must(yield* dbg.createDebuggedProcess(program, { debug }));
  return { ...child, debug };
}

/** Waits for the next event and closes the handles that come with it. */
export function* next(debug: number): Script<StateChange> {
  const change = must(yield* dbg.NtWaitForDebugEvent(debug));
  for (const handle of [change.processHandle, change.threadHandle, change.fileHandle]) {
    if (handle !== 0) expect(yield* nt.NtClose(handle)).toBe(STATUS_SUCCESS);
  }
  return change;
}

/** Waits for the next event, which must be of that kind. */
export function* expectEvent(debug: number, kind: StateChange["message"]["kind"]): Script<StateChange> {
  const change = yield* next(debug);
  expect(change.message.kind).toBe(kind);
  return change;
}

export function* answer(debug: number, change: StateChange, status: NtStatus = DBG_CONTINUE): Script<void> {
  expect(yield* dbg.NtDebugContinue(debug, change.clientId, status)).toBe(STATUS_SUCCESS);
}

/** Waits for the next event, which must be of that kind, and continues it. */
export function* pass(debug: number, kind: StateChange["message"]["kind"]): Script<StateChange> {
  const change = yield* expectEvent(debug, kind);
  yield* answer(debug, change);
  return change;
}

/** Continues every event until a process has exited. @returns the events */
export function* follow(debug: number): Script<StateChange[]> {
  const seen: StateChange[] = [];
  for (;;) {
    const change = yield* next(debug);
    seen.push(change);
    yield* answer(debug, change);
    if (change.message.kind === "exit-process") return seen;
  }
}

export function kindsOf(changes: readonly StateChange[]): string[] {
  return changes.map(({ message }) => message.kind);
}
