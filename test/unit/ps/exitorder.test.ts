/** The order of an exit: which of its effects are there after each step, and what those who wait for it learn when. */
import { expect, test } from "vitest";
import { PORT_ALL_ACCESS, PSF_PROCESS_DELETE, PSF_PROCESS_EXITING } from "../../../src/abi/ps.ts";
import {
  STATUS_ABANDONED_WAIT_0,
  STATUS_PENDING,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  ntStatus,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { lpc } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { firstOf } from "../../../src/rtl/list.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { PsGetCurrentThread } from "../../../src/ps/current.ts";
import { ObOpenObjectByPointer } from "../../../src/ob/handle.ts";
import { PspTerminateThreadByPointer } from "../../../src/ps/kill.ts";
import { PsSetCreateProcessNotifyRoutine, PsSetCreateThreadNotifyRoutine } from "../../../src/ps/notify.ts";
import type { EThread } from "../../../src/ps/objects.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import { answer, debugged, expectEvent, pass } from "../../support/debugger.ts";
import { createPort, messagesOf } from "../../support/port.ts";
import {
  ended,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
  stepsOf,
} from "../../support/scene.ts";
import { openSilentWitness } from "../../support/witness.ts";

const SELF = 0xfffffffe;
const KILL = { self: false, route: "killed", via: "test" } as const;

/** A thread whose exit is observed: after each of its steps, the facts that have become true are noted. */
class Subject {
  thread: EThread | null = null;
  readonly said = new Set<string>();
  readonly firstSeen: [string, string][] = [];
  #facts: (readonly [string, () => boolean])[] = [];

  observe(thread: EThread, facts: Readonly<Record<string, () => boolean>>): void {
    this.thread = thread;
    this.#facts = Object.entries(facts);
  }

  readonly see = (event: KernelEvent): void => {
    const tid = this.thread?.tid;
    if (event.kind === "step" && event.tid === tid) this.#look(event.step);
    if (event.kind === "thread-signaled" && event.tid === tid) this.#look("end");
  };

  #look(step: string): void {
    this.#facts = this.#facts.filter(([fact, holds]) => {
      if (!holds()) return true;
      this.firstSeen.push([fact, step]);
      return false;
    });
  }
}

/** The facts in the order in which they must become true, and the step that each is first seen after. */
const ORDER = {
  "the thread rundown is complete": "E6",
  "the thread notify routine has run": "E8",
  "the thread no longer counts": "E10",
  "no thread can be created": "E11",
  "the process has its exit status": "E12",
  "the debugger has heard of the death": "E17",
  // Set for the debugger, and again at E34.
  "the process has its exit time": "E17",
  "the server has heard of the death": "E21",
  "win32k has released the thread": "E23",
  "win32k has released the process": "E24",
  "the mutant is abandoned": "E29",
  "LPC is refused": "E31",
  "the thread has its exit status": "E32",
  "the process is exiting": "X1",
  "the process notify routine has run": "X2",
  "the handles are closed": "E38",
  "the handle table is gone": "E38",
  "the process rundown is complete": "E38",
  "no APC can be queued": "E41",
  "the user APC is run down": "E42",
  "user memory is gone": "E43",
  "the Lego routine has run": "E44",
  "the process is signaled": "E46",
  "the thread is signaled": "end",
};
type Fact = keyof typeof ORDER;

/** Registers those whom the kernel tells; each says so. */
function* register(k: Kernel, subject: Subject) {
  const say = (fact: Fact) => subject.said.add(fact);
  const callouts = {
    thread: function* (_k: Kernel, thread: EThread) {
      thread.win32Thread = null;
      say("win32k has released the thread");
      return STATUS_SUCCESS;
    },
    process: function* (_k: Kernel, process: { win32Process: object | null }) {
      process.win32Process = null;
      say("win32k has released the process");
      return STATUS_SUCCESS;
    },
  };
  k.ps.win32Callouts = callouts;
  k.ps.legoNotify = () => say("the Lego routine has run");
  yield* PsSetCreateThreadNotifyRoutine(k, function* (_k, _pid, tid, create) {
    if (!create && tid === subject.thread?.tid) say("the thread notify routine has run");
  });
  const notify = function* (_k: Kernel, _parentPid: number, pid: number, create: boolean) {
    if (!create && pid === subject.thread?.threadsProcess.pid) say("the process notify routine has run");
  };
  yield* PsSetCreateProcessNotifyRoutine(k, notify, { remove: false });
}

/** The calling thread takes a mutant, a port, a handle and an APC, and sleeps as the subject. */
function* becomeSubject(subject: Subject): Script<void> {
  must(yield* nt.NtCreateMutant(true));
  const { port, handle } = yield* createPort();
  yield* lpc.NtRegisterThreadTerminatePort(handle);
  const closed: string[] = [];
  yield* openSilentWitness(closed, "witness");
  yield* nt.NtQueueApcThread(SELF, function* () {});
  yield* nt.call((k) => {
    const thread = PsGetCurrentThread(k);
    const process = thread.threadsProcess;
    const mutant = firstOf(thread.mutantListHead)!;
    thread.win32Thread = subject;
    process.win32Process = subject;
    thread.legoData = subject;
    const said = (fact: Fact) => () => subject.said.has(fact);
    const facts: Record<Fact, () => boolean> = {
      "the thread rundown is complete": () => thread.rundownProtect.active,
      "the thread notify routine has run": said("the thread notify routine has run"),
      "the thread no longer counts": () => process.activeThreads === 0,
      "no thread can be created": () => (process.flags & PSF_PROCESS_DELETE) !== 0,
      "the process has its exit status": () => process.exitStatus !== STATUS_PENDING,
      "the debugger has heard of the death": said("the debugger has heard of the death"),
      "the server has heard of the death": () => messagesOf(port).length > 0,
      "win32k has released the thread": said("win32k has released the thread"),
      "win32k has released the process": said("win32k has released the process"),
      "the mutant is abandoned": () => mutant.abandoned,
      "LPC is refused": () => thread.lpc.exitCalled,
      "the thread has its exit status": () => thread.exitStatus !== STATUS_PENDING,
      "the process has its exit time": () => process.exitTime !== 0,
      "the process is exiting": () => (process.flags & PSF_PROCESS_EXITING) !== 0,
      "the process notify routine has run": said("the process notify routine has run"),
      "the handles are closed": () => closed.length > 0,
      "the handle table is gone": () => process.objectTable === null,
      "the process rundown is complete": () => process.rundownProtect.active,
      "no APC can be queued": () => !thread.apcQueueable,
      "the user APC is run down": () => k.ex.pool.tags.get("Psap")?.bytes === 0,
      "user memory is gone": () => process.vmDeleted && process.addressSpace?.vads.length === 0,
      "the Lego routine has run": said("the Lego routine has run"),
      "the process is signaled": () => process.signalState !== 0,
      "the thread is signaled": () => thread.signalState !== 0,
    };
    subject.observe(thread, facts);
  });
  yield* sleepForever();
}

test("the effects of a last thread's exit come in order: E8 < E17 < E21 < E29 < E35 < E38 < E46 < E47", () => {
  const subject = new Subject();
  play(
    function* () {
      yield* nt.call((k) => register(k, subject));
      const child = yield* debugged(() => becomeSubject(subject));
      yield* pass(child.debug, "create-process");
      yield* settle();
      yield* nt.NtTerminateThread(child.thread, 5);
      const change = yield* expectEvent(child.debug, "exit-process");
      subject.said.add("the debugger has heard of the death");
      yield* answer(child.debug, change);
      yield* ended(child.handle);
    },
    { see: subject.see },
  );
  expect(subject.firstSeen).toEqual(Object.entries(ORDER));
});

test("the exit of a thread that is not the last touches nothing of its process", () => {
  const subject = new Subject();
  play(
    function* () {
      yield* nt.call((k) => register(k, subject));
      const child = yield* spawn(function* () {
        yield* start(() => becomeSubject(subject));
        yield* sleepForever();
      });
      yield* settle();
      yield* nt.call((k) => PspTerminateThreadByPointer(k, subject.thread!, ntStatus(5), KILL));
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 6);
      yield* ended(child.handle);
    },
    { see: subject.see },
  );
  const ofThread: Fact[] = [
    "the thread rundown is complete",
    "the thread notify routine has run",
    "the server has heard of the death",
    "win32k has released the thread",
    "the mutant is abandoned",
    "LPC is refused",
    "the thread has its exit status",
    "no APC can be queued",
    "the user APC is run down",
    "the Lego routine has run",
    "the thread is signaled",
  ];
  expect(subject.firstSeen).toEqual(ofThread.map((fact) => [fact, ORDER[fact]]));
});

test("all observers learn of a death in order: notify routine, debugger, server, mutant, process, last thread", () => {
  const log: string[] = [];
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false, "shared"));
    const server = yield* createPort();
    yield* nt.call((k) =>
      PsSetCreateThreadNotifyRoutine(k, function* (_k, pid, _tid, create) {
        if (!create && pid === child.id) log.push("notified");
      }),
    );
    const child = yield* debugged(function* () {
      const own = must(yield* nt.NtCreateMutant(false, "shared"));
      yield* nt.NtWaitForSingleObject(own);
      yield* lpc.NtRegisterThreadTerminatePort(
        must(yield* nt.call((k) => ObOpenObjectByPointer(k, server.port, PORT_ALL_ACCESS, 0, 0))),
      );
      yield* openSilentWitness(log, "handle closed");
      yield* sleepForever();
    });
    yield* pass(child.debug, "create-process");
    yield* settle();
    const waiters: number[] = [];
    const listen = function* (name: string, wait: () => Script<unknown>) {
      const waiter = yield* start(function* () {
        yield* wait();
        log.push(name);
      });
      waiters.push(waiter.handle);
    };
    const waitFor = function* (name: string, handle: number, status: number) {
      yield* listen(name, function* () {
        expect(yield* nt.NtWaitForSingleObject(handle)).toBe(status);
      });
    };
    yield* waitFor("thread", child.thread, STATUS_SUCCESS);
    yield* waitFor("process", child.handle, STATUS_SUCCESS);
    yield* waitFor("mutant", mutant, STATUS_ABANDONED_WAIT_0);
    yield* listen("server", () => lpc.NtReplyWaitReceivePort(server.handle));
    const listener = yield* start(function* () {
      const change = yield* expectEvent(child.debug, "exit-process");
      log.push("debugger");
      yield* answer(child.debug, change);
    });
    waiters.push(listener.handle);
    yield* settle();
    // Not the process: who kills one that is debugged closes its handles at once (NP12).
    yield* nt.NtTerminateThread(child.thread, 5);
    for (const waiter of waiters) yield* joined(waiter);
  });
  expect(log).toEqual(["notified", "debugger", "handle closed", "server", "mutant", "process", "thread"]);
});

test("deps 31.9: whoever sees the process signaled finds its handles closed and its threads' statuses final", () => {
  play(
    function* () {
      const log: string[] = [];
      const child = yield* spawn(function* () {
        for (let index = 0; index < 3; index++) {
          yield* start(sleepForever);
          yield* openSilentWitness(log, "closed");
        }
        yield* sleepForever();
      });
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 5);
      yield* nt.NtWaitForSingleObject(child.handle);
      expect(log).toHaveLength(3);
      expect(must(yield* nt.queryThread(child.thread)).exitStatus).toBe(5);
    },
    { processors: 2 },
  );
});

test("D30: between the process's signal and its last thread's, a waiter finds only that thread not signaled", () => {
  let seen = "";
  const scene = play(
    function* () {
      const child = yield* spawn(sleepForever);
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 5);
      yield* ended(child.handle);
      expect([STATUS_SUCCESS, STATUS_TIMEOUT]).toContain(yield* nt.NtWaitForSingleObject(child.thread, false, 0));
    },
    {
      see: (event) => {
        if (event.kind === "process-signaled") seen += "process ";
        if (event.kind === "thread-signaled") seen += "thread ";
      },
    },
  );
  expect(seen).toBe("process thread process thread ");
  expect(stepsOf(scene).filter((step) => step === "E46")).toHaveLength(2);
});

test("deps 31.10: every thread's notification precedes its process's", () => {
  const log: string[] = [];
  play(function* () {
    yield* nt.call(function* (k) {
      yield* PsSetCreateThreadNotifyRoutine(k, function* (_k, pid, _tid, create) {
        if (!create) log.push(`thread of ${pid}`);
      });
      const notify = function* (_k: Kernel, _parentPid: number, pid: number, create: boolean) {
        if (!create) log.push(`process ${pid}`);
      };
      yield* PsSetCreateProcessNotifyRoutine(k, notify, { remove: false });
    });
    const child = yield* spawn(function* () {
      yield* start(sleepForever);
      yield* start(sleepForever);
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* ended(child.handle);
    const { id } = child;
    expect(log).toEqual([`thread of ${id}`, `thread of ${id}`, `thread of ${id}`, `process ${id}`]);
  });
});

test("E13, D13: the last thread waits for siblings that no longer count and are still on their way out", () => {
  const { events } = play(function* () {
    const child = yield* spawn(sleepForever);
    const sibling = must(
      yield* nt.NtCreateThread(
        function* () {
          yield* lpc.NtRegisterThreadTerminatePort((yield* createPort()).handle);
        },
        { process: child.handle },
      ),
    );
    yield* nt.call((k) => {
      // The sibling waits for memory for its notice, at E21, after it was counted out at E10.
      let failures = 0;
      k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM" && ++failures <= 3;
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(yield* nt.call((k) => processById(k, child.id).activeThreads)).toBe(0);
    expect(must(yield* nt.queryProcess(child.handle))).toMatchObject({ exitStatus: 5, signaled: false });
    expect(yield* joined(sibling.handle)).toBe(0);
    expect(yield* ended(child.handle)).toBe(5);
  });
  const signals = events.flatMap(({ kind }) => (kind.endsWith("-signaled") ? [kind] : []));
  expect(signals.slice(0, 2)).toEqual(["thread-signaled", "process-signaled"]);
});
