/** Scenarios: drivers and devices, the kernel debugger, shutdown, and what becomes of the dead. */
import { BugCheckCode } from "../../abi/ke.ts";
import { PSF_BREAK_ON_TERMINATION } from "../../abi/ps.ts";
import { type NtStatus, STATUS_PENDING, STATUS_SUCCESS } from "../../abi/status.ts";
import { fileServices } from "../../guest/script/fileservices.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { IoCompleteRequest } from "../../io/complete.ts";
import { FILE_DEVICE_UNKNOWN } from "../../io/constants.ts";
import { type DeviceObject, IoCreateDevice, IoDeleteDevice } from "../../io/device.ts";
import { Irp } from "../../io/irp.ts";
import { MmCreateTeb } from "../../mm/teb.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../../ke/gmutex.ts";
import type { Kernel } from "../../kernel.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { PspClearProcessFlag, PspSetProcessFlag } from "../../ps/flags.ts";
import { PspShutdownProcessManager } from "../../ps/kill.ts";
import { PsSetCreateProcessNotifyRoutine } from "../../ps/notify.ts";
import { PspSetThreadName } from "../../ps/threadname.ts";
import { assert } from "../../rtl/assert.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";

function* nothing(): Script<void> {
  yield* nt.NtTestAlert();
}

function* naps(): Script<void> {
  for (;;) yield* nt.NtDelayExecution(false, 1_000);
}

const unguardedTeb: Scenario = {
  id: "d20-teb-cannot-be-read",
  defects: ["D20"],
  meaning: "a thread exits whose TEB cannot be read any more, as if its page were lost on the disk",
  *setUp(stage) {
    yield* stage.makeActor("victim", () =>
      nt.call((k) => {
        const thread = PsGetCurrentThread(k);
        thread.teb = must(MmCreateTeb(k, thread.threadsProcess, { clientId: { process: 0, thread: 0 }, stack: null }));
      }),
    );
  },
  schedule: [run("victim")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.KMODE_EXCEPTION_NOT_HANDLED) return null;
    return "the read of the TEB raises an exception that nobody handles: bugcheck 0x1E";
  },
};

/** Has the kernel issue a read for the process that ends, which its handles' end does not end. */
function* readAtTheEnd(k: Kernel, stage: Stage, pid: number, create: boolean): Blocking<void> {
  if (create || pid !== stage.process("victim").pid) return;
  const handle = must(yield* callHere(k, fileServices.NtOpenFile("\\Device\\Late", { asynchronous: true })));
  yield* callHere(k, fileServices.NtReadFile(handle, 1));
}

/** Makes a script's system call from inside the kernel. */
function* callHere<R>(k: Kernel, script: Script<R>): Blocking<R> {
  const step = script.next();
  assert(step.done !== true, "a service is one system call");
  const answer = step.value.call(k);
  const value = isBlocking(answer) ? yield* answer : answer;
  const end = script.next(value);
  assert(end.done === true, "a service is one system call");
  return end.value;
}

function isBlocking(value: unknown): value is Blocking<unknown> {
  return typeof value === "object" && value !== null && "next" in value;
}

const lateCompletion: Scenario = {
  id: "d21-late-completion-is-lost",
  defects: ["D21"],
  meaning: "a driver ends a request after its thread has stopped taking APCs",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("victim's thread", nothing, { process: "victim" });
    yield* stage.makeActor("driver", () => nt.call((k) => completeLate(k, stage)));
    yield* nt.call(function* (k) {
      const read = (_k: Kernel, irp: Irp): NtStatus => {
        stage.notes.set("irp", irp);
        return STATUS_PENDING;
      };
      const device = must(IoCreateDevice(k, "Late", { deviceType: FILE_DEVICE_UNKNOWN, dispatch: { read } }));
      stage.notes.set("device", device);
      const notify = (kernel: Kernel, _parentPid: number, pid: number, create: boolean): Blocking<void> =>
        readAtTheEnd(kernel, stage, pid, create);
      stage.notes.set("notify", notify);
      yield* PsSetCreateProcessNotifyRoutine(k, notify, { remove: false });
    });
  },
  schedule: [run("victim's thread"), run("driver")],
  violation(stage) {
    const { k } = stage;
    const files = [...k.ob.live].filter((header) => header.type === k.io.fileType).length;
    if (stage.end === null || files === 0) return null;
    return "the request's end is refused by its thread and forgotten: the request and its file are never freed";
  },
  *cleanUp(stage) {
    yield* nt.call(function* (k) {
      const notify = stage.notes.get("notify") as Parameters<typeof PsSetCreateProcessNotifyRoutine>[1];
      yield* PsSetCreateProcessNotifyRoutine(k, notify, { remove: true });
      yield* IoDeleteDevice(k, stage.notes.get("device") as DeviceObject);
    });
  },
};

function completeLate(k: Kernel, stage: Stage): void {
  const irp = stage.notes.get("irp");
  assert(irp instanceof Irp, "the request was made before the victim ended");
  IoCompleteRequest(k, irp, STATUS_SUCCESS, 0, 0);
}

const promptsForEver: Scenario = {
  id: "d28-asked-again-for-ever",
  defects: ["D28"],
  meaning: "the kernel debugger is asked about a critical process, says yes, and loses its line",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeThread("victim's thread", naps, { process: "victim" });
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* nt.call((k) => {
      let answers = 0;
      k.ke.kd.enabled = true;
      k.ke.kd.notPresent = false;
      k.ke.kd.prompt = () => (answers++ === 0 ? "i" : "?");
      PspSetProcessFlag(stage.process("victim"), PSF_BREAK_ON_TERMINATION);
    });
  },
  schedule: [run("killer")],
  violation(stage) {
    if (stage.end !== null || stage.hasEnded("victim") || !stage.isDone("killer")) return null;
    return "the process whose death was accepted asks again when it exits, and goes on asking for ever";
  },
};

const stackFreedInUse: Scenario = {
  id: "d37-stack-freed-in-use",
  defects: ["D37"],
  meaning: "a dead thread is handed to the reaper while it still runs on its stack; the reaper is on another processor",
  machine: { processors: 2 },
  *setUp(stage) {
    yield* stage.makeActor("victim", nothing);
  },
  schedule: [until("victim", "D37:between-push-and-signal")],
  violation(stage) {
    if (stage.assertion !== "nobody runs on a kernel stack that is freed") return null;
    return "the reaper frees the stack while the thread that runs on it has not even been signaled";
  },
};

const forgottenName: Scenario = {
  id: "d38-name-outlives-thread",
  defects: ["D38"],
  meaning: "a thread is given a name, which its deletion was written before",
  *setUp(stage) {
    yield* stage.makeActor("victim", () =>
      nt.call((k) => PspSetThreadName(k, PsGetCurrentThread(k), "a name that takes memory")),
    );
  },
  schedule: [run("victim")],
  violation(stage) {
    if (!stage.leaks.some((leak) => leak.includes("ThNm"))) return null;
    return "the thread is gone, and the memory of its name is not";
  },
};

/** Is critical for a while, then ends like any other. */
function* criticalForAWhile(): Script<void> {
  yield* nt.call((k) => PspSetProcessFlag(PsGetCurrentThread(k).threadsProcess, PSF_BREAK_ON_TERMINATION));
  yield* nt.NtDelayExecution(false, 50_000);
  yield* nt.call((k) => PspClearProcessFlag(PsGetCurrentThread(k).threadsProcess, PSF_BREAK_ON_TERMINATION));
}

const shutdown = (): Script<void> => nt.call((k) => PspShutdownProcessManager(k));

const shutdownStopsMachine: Scenario = {
  id: "d44a-shutdown-ends-critical-process",
  defects: ["D44"],
  meaning: "processes are shut down while a critical one runs, and nobody is at the kernel debugger",
  *setUp(stage) {
    yield* stage.makeProcess("critical");
    yield* stage.makeThread("critical thread", criticalForAWhile, { process: "critical" });
    yield* stage.makeProcess("caller");
    yield* stage.makeActor("caller's thread", shutdown, { process: "caller" });
  },
  schedule: [run("caller's thread")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.CRITICAL_OBJECT_TERMINATION) return null;
    return "shutting down stops the machine half-way: bugcheck 0xF4";
  },
};

const shutdownEndsItself: Scenario = {
  id: "d44b-shutdown-ends-its-caller",
  defects: ["D44"],
  meaning: "processes are shut down by a thread of one of them, and a later one is still to be ended",
  *setUp(stage) {
    yield* stage.makeProcess("caller");
    yield* stage.makeActor("caller's thread", shutdown, { process: "caller" });
    yield* stage.makeProcess("later");
    yield* stage.makeThread("later thread", naps, { process: "later" });
  },
  schedule: [run("caller's thread")],
  violation(stage) {
    if (stage.end === null || stage.hasEnded("later")) return null;
    return "the caller ends with its own process, and the processes behind it run on";
  },
};

/** Holds the list of processes for as long as the schedule says. */
function* holdProcessList(k: Kernel): Blocking<void> {
  yield* KeAcquireGuardedMutex(k, k.ps.activeProcessMutex);
  yield* erratumGap(k, "D48:while-holding");
  yield* KeReleaseGuardedMutex(k, k.ps.activeProcessMutex);
}

const stuckReaper: Scenario = {
  id: "d48-reaper-waits-for-one-process",
  defects: ["D48"],
  meaning: "the deletion of one process has to wait; another thread dies meanwhile",
  *setUp(stage) {
    yield* stage.makeProcess("first");
    yield* stage.makeActor("first thread", nothing, { process: "first" });
    yield* stage.makeActor("second thread", nothing);
    yield* stage.makeActor("holder", () => nt.call(holdProcessList));
    // The dead process is then the reaper's alone.
    for (const name of ["first", "first thread"]) yield* nt.NtClose(stage.handle(name));
  },
  schedule: [until("holder", "D48:while-holding"), run("first thread"), run("second thread")],
  violation(stage) {
    const { initialStack, signalState } = stage.thread("second thread");
    if (stage.end !== null || signalState === 0 || initialStack === null) return null;
    return "no dead thread gives its stack back as long as the deletion of one process waits";
  },
};

export const driverScenarios: readonly Scenario[] = [
  unguardedTeb,
  lateCompletion,
  promptsForEver,
  stackFreedInUse,
  forgottenName,
  shutdownStopsMachine,
  shutdownEndsItself,
  stuckReaper,
];
