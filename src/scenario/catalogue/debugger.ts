/** Scenarios: debug objects and threads that are held by a debugger. */
import { DUPLICATE_SAME_ACCESS } from "../../abi/ob.ts";
import { CURRENT_PROCESS_HANDLE, PSF_PROCESS_DELETE } from "../../abi/ps.ts";
import { DBG_TERMINATE_PROCESS, NT_SUCCESS, type NtStatus } from "../../abi/status.ts";
import { DbgkClearProcessDebugObject } from "../../dbgk/detach.ts";
import type { Script } from "../../guest/script/context.ts";
import { debugServices as dbg } from "../../guest/script/debugservices.ts";
import { nt } from "../../guest/script/services.ts";
import { NtDuplicateObject } from "../../ob/duplicate.ts";
import { hasProcessFlag } from "../../ps/flags.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";
import { naps } from "./cast.ts";

/** Makes a debug object and notes its handle. */
function* makeDebugObject(stage: Stage, flags: number): Script<number> {
  const debug = must(yield* dbg.NtCreateDebugObject(flags));
  stage.notes.set("debug object", debug);
  return debug;
}

function debugObjectOf(stage: Stage): number {
  return stage.notes.get("debug object") as number;
}

/** Reads the next event, closes its handles, and continues it. */
function* passEvent(debug: number): Script<void> {
  const { clientId, processHandle, threadHandle } = must(yield* dbg.NtWaitForDebugEvent(debug));
  for (const handle of [processHandle, threadHandle]) if (handle !== 0) yield* nt.NtClose(handle);
  yield* dbg.NtDebugContinue(debug, clientId);
}

const lastThreadWaitsForDebugger: Scenario = {
  id: "d13-last-thread-waits-for-a-debugger-that-is-gone",
  defects: ["D13"],
  meaning:
    "the last thread waits for a sibling, the sibling for a debugger, and taking the debugger away releases neither",
  *setUp(stage) {
    yield* stage.makeProcess("debuggee");
    yield* stage.makeThread("last thread", naps, { process: "debuggee" });
    yield* stage.makeActor("sibling", () => nt.NtTestAlert(), { process: "debuggee" });
    const debug = yield* makeDebugObject(stage, 0);
    yield* dbg.NtDebugActiveProcess(stage.handle("debuggee"), debug);
    yield* passEvent(debug);
    yield* passEvent(debug);
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("debuggee"), 1));
    yield* stage.makeActor("rescuer", () => nt.NtTerminateProcess(stage.handle("debuggee"), DBG_TERMINATE_PROCESS));
  },
  schedule: [run("sibling"), run("killer"), run("rescuer")],
  violation(stage) {
    if (stage.hasEnded("debuggee") || !stage.isDone("rescuer")) return null;
    return "nobody debugs the process any more, and its threads wait for a debugger for ever";
  },
};

/** Attaches to the process that is being ended, and leaves it the only handle to the debug object. */
function* attachTooLate(stage: Stage): Script<NtStatus> {
  const debug = must(yield* dbg.NtCreateDebugObject(0));
  const status = yield* dbg.NtDebugActiveProcess(stage.handle("debuggee"), debug);
  if (NT_SUCCESS(status)) {
    yield* passEvent(debug);
    const request = {
      sourceProcess: CURRENT_PROCESS_HANDLE,
      sourceHandle: debug,
      targetProcess: stage.handle("debuggee"),
      desiredAccess: 0,
      attributes: 0,
      options: DUPLICATE_SAME_ACCESS,
    };
    must(yield* nt.call((k) => NtDuplicateObject(k, request)));
  }
  yield* nt.NtClose(debug);
  return status;
}

const attachedAfterTheKill: Scenario = {
  id: "d27-attached-after-the-kill",
  defects: ["D27"],
  meaning: "a debugger attaches after the killer has looked for one, and the debuggee holds the only handle to it",
  *setUp(stage) {
    yield* stage.makeProcess("debuggee");
    yield* stage.makeActor("victim", naps, { process: "debuggee" });
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("debuggee"), 1));
    yield* stage.makeActor("attacher", () => attachTooLate(stage));
  },
  schedule: [run("killer"), run("attacher"), run("victim")],
  violation(stage) {
    if (stage.hasEnded("debuggee") || stage.answer("attacher") !== 0) return null;
    return "the process waits for a debugger whose last handle it would close only afterwards";
  },
};

const rundownHeldByUnreadEvent: Scenario = {
  id: "d34-rundown-held-by-an-unread-event",
  defects: ["D34"],
  meaning: "a thread is killed before its debugger has read of it, and letting go of its process does not release it",
  *setUp(stage) {
    yield* stage.makeProcess("debuggee");
    yield* stage.makeThread("victim", naps, { process: "debuggee" });
    const debug = yield* makeDebugObject(stage, 0);
    yield* dbg.NtDebugActiveProcess(stage.handle("debuggee"), debug);
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 1));
    yield* stage.makeActor("debugger", () => dbg.NtRemoveProcessDebug(stage.handle("debuggee"), debugObjectOf(stage)));
  },
  schedule: [run("killer"), run("debugger")],
  violation(stage) {
    if (stage.hasEnded("victim") || stage.answer("debugger") !== 0) return null;
    return "the thread was killed, nobody debugs it, and it waits for its rundown for ever";
  },
};

const killedAlthoughLetGoOf: Scenario = {
  id: "d42-killed-although-let-go-of",
  defects: ["D42"],
  meaning:
    "a debug object with two debuggees is closed while somebody lets go of the second; it is killed all the same",
  *setUp(stage) {
    const debug = yield* makeDebugObject(stage, 1);
    for (const name of ["first", "second"]) {
      yield* stage.makeProcess(name);
      yield* stage.makeThread(`thread of ${name}`, naps, { process: name });
      yield* dbg.NtDebugActiveProcess(stage.handle(name), debug);
    }
    yield* stage.makeActor("closer", () => nt.NtClose(debug));
    yield* stage.makeSystemThread("remover", (k) => DbgkClearProcessDebugObject(k, stage.process("second"), null));
  },
  schedule: [
    until("closer", "D42:between-test-and-lock"),
    until("closer", "D42:between-test-and-lock"),
    run("remover"),
    run("closer"),
  ],
  violation(stage) {
    if (stage.answer("remover") !== 0) return null;
    const killed = hasProcessFlag(stage.process("second"), PSF_PROCESS_DELETE);
    return killed ? "the second process is killed by an object that does not debug it any more" : null;
  },
};

export const debuggerScenarios: readonly Scenario[] = [
  lastThreadWaitsForDebugger,
  attachedAfterTheKill,
  rundownHeldByUnreadEvent,
  killedAlthoughLetGoOf,
];
