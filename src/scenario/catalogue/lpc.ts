/** Scenarios: ports and those who wait for the death of a client. */
import { BugCheckCode } from "../../abi/ke.ts";
import { chargeQuota, returnQuota } from "../../ex/quota.ts";
import type { Script } from "../../guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../guest/script/lpc.ts";
import { nt } from "../../guest/script/services.ts";
import { systemTimeOf } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import type { PortMessage } from "../../lpc/message.ts";
import { type LpcPort, newPort, referencePort } from "../../lpc/port.ts";
import { ObCreateObject } from "../../ob/create.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { PsGetCurrentProcess } from "../../ps/current.ts";
import { PsSetProcessSecurityPort } from "../../ps/securityport.ts";
import { NT_SUCCESS } from "../../abi/status.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";

const PORT_NAME = "\\BaseNamedObjects\\scene";

/** A server's program: accepts one client, receives its request, and replies when it is its turn again. */
function* servesOnce(): Script<unknown> {
  const port = must(yield* lpc.NtCreatePort(PORT_NAME));
  const request = must(yield* lpc.NtListenPort(port));
  const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true));
  yield* lpc.NtCompleteConnectPort(handle);
  const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
  yield* nt.call((k) => erratumGap(k, "server:before-reply"));
  return yield* lpc.NtReplyPort(handle, lpcReply(message));
}

/** A client's program: connects, and waits for the reply to a request. */
function* asksOnce(): Script<unknown> {
  const { connected } = yield* lpc.NtConnectPort(PORT_NAME);
  return connected === null ? null : yield* lpc.NtRequestWaitReplyPort(connected.handle, lpcMessage());
}

const replyToDyingClient: Scenario = {
  id: "d16-reply-to-a-dying-client",
  defects: ["D16"],
  meaning: "a client is killed while it waits for a reply, and the reply comes before the client has left the call",
  *setUp(stage) {
    yield* stage.makeActor("server", servesOnce);
    yield* stage.makeActor("client", asksOnce);
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("client"), 1));
  },
  schedule: [
    until("server", "server:before-reply"),
    until("client", "D16:between-abort-and-detach"),
    run("killer"),
    run("server"),
    run("client"),
  ],
  violation({ assertion, bugCheck }) {
    if (bugCheck === BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT) {
      return "the client's exit releases a lock that it does not hold, and its APCs are enabled once too often: bugcheck 0x20";
    }
    if (assertion === null) return null;
    return `the client's exit releases a lock that it does not hold, and its own check fails: ${assertion}`;
  },
};

/** Registers a port without a name for the calling thread, and remembers it. */
function* registersPort(stage: Stage): Script<number> {
  const handle = must(yield* lpc.NtCreatePort(null));
  yield* lpc.NtRegisterThreadTerminatePort(handle);
  stage.notes.set("port", handle);
  return handle;
}

const stackInNotice: Scenario = {
  id: "d17-kernel-stack-in-the-notice",
  defects: ["D17"],
  meaning: "a thread with a termination port dies, and its server looks at every field of the notice",
  *setUp(stage) {
    yield* stage.makeActor("client", () => registersPort(stage));
    yield* stage.makeActor("server", function* () {
      return must(yield* lpc.NtReplyWaitReceivePort(stage.notes.get("port") as number)).message;
    });
  },
  schedule: [run("client"), run("server")],
  violation(stage) {
    const notice = stage.answer("server") as PortMessage | null;
    if (notice === null || notice.clientViewSize === 0) return null;
    const field = `0x${notice.clientViewSize.toString(16)}`;
    return `the server receives ${field} in a field that nobody filled: an address of the client's kernel stack`;
  },
};

const noticeForEver: Scenario = {
  id: "d18-notice-is-tried-for-ever",
  defects: ["D18"],
  meaning: "a thread with a termination port dies when there is no memory for messages, and never will be",
  machine: { limits: { virtualTime100ns: 400_000_000 } },
  *setUp(stage) {
    yield* stage.makeActor("client", function* () {
      yield* registersPort(stage);
      yield* nt.call((k) => {
        k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM";
      });
    });
  },
  schedule: [{ run: "client" }, { run: "client", for100ns: 200_000_000 }],
  violation(stage) {
    if (stage.hasEnded("client") || stage.end !== null) return null;
    return "twenty seconds later the thread still waits for memory, and it would for ever";
  },
  *cleanUp() {
    yield* nt.call((k) => {
      k.ex.pool.failure = null;
    });
  },
};

const REGISTRATIONS = 100;

const freeRegistrations: Scenario = {
  id: "d45-registrations-cost-nothing",
  defects: ["D45"],
  meaning: "a thread registers one port a hundred times, and somebody looks at what it is charged",
  *setUp(stage) {
    yield* stage.makeActor("client", function* () {
      const port = must(yield* lpc.NtCreatePort(null));
      const charged = (k: Kernel): number => PsGetCurrentProcess(k).quotaBlock?.usage.poolBytes ?? 0;
      const before = yield* nt.call(charged);
      for (let count = 0; count < REGISTRATIONS; count++) yield* lpc.NtRegisterThreadTerminatePort(port);
      return (yield* nt.call(charged)) - before;
    });
  },
  schedule: [run("client")],
  violation(stage) {
    if (stage.answer("client") !== 0) return null;
    return `${REGISTRATIONS} registrations pin pool and a port, and nobody is charged for them: there is no end to it`;
  },
};

/** A port without a handle, with one reference. */
function makePort(k: Kernel): LpcPort {
  const port = newPort(k, "unconnected");
  must({ ok: NT_SUCCESS(ObCreateObject(k, k.lpc.portType, port)), value: port, status: 0 as never });
  return port;
}

/** Gives a process a security port, or drops the port if it may not have one. */
function* setSecurityPort(k: Kernel, stage: Stage): Blocking<void> {
  const port = makePort(k);
  if (!NT_SUCCESS(PsSetProcessSecurityPort(stage.process("victim"), port))) yield* ObDereferenceObject(k, port);
}

const lostSecurityPort: Scenario = {
  id: "d49-security-port-set-while-it-is-closed",
  defects: ["D49"],
  meaning: "a process gets its security port while its last thread closes that for ever",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("last thread", () => nt.NtTestAlert(), { process: "victim" });
    yield* stage.makeActor("setter", () => nt.call((k) => setSecurityPort(k, stage)));
  },
  schedule: [until("last thread", "D49:between-test-and-store"), run("setter"), run("last thread")],
  violation({ leaks }) {
    const port = leaks.find((leak) => /\bport\b/i.test(leak));
    return port === undefined ? null : `the port that was set is overwritten and never dropped: ${port}`;
  },
};

/** Creates a thread when there is no handle left for it, so that it is born dead. */
function* createsDeadThread(): Script<unknown> {
  const exhaust = (k: Kernel): number => {
    const quota = PsGetCurrentProcess(k).quotaBlock;
    if (quota === null) return 0;
    const left = quota.limits.handles - quota.usage.handles;
    return chargeQuota(quota, "handles", left) ? left : 0;
  };
  const left = yield* nt.call(exhaust);
  const now = yield* nt.call((k) => systemTimeOf(k.ke.prcb.clock / 100));
  yield* nt.NtCreateThread(() => nt.NtDelayExecution(false, null));
  yield* nt.call((k) => {
    const quota = PsGetCurrentProcess(k).quotaBlock;
    if (quota !== null) returnQuota(quota, "handles", left);
  });
  return now;
}

/** Waits for the notice of a thread that is not this one, whose own death the port hears of as well. */
function* hearsOfOther(port: number, tid: number): Script<PortMessage> {
  for (;;) {
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
    if (message.clientId.tid !== tid) return message;
  }
}

const noticeWithoutTime: Scenario = {
  id: "d50-notice-without-time-of-creation",
  defects: ["D50"],
  meaning: "the handle of a new thread cannot be made, and the exception port hears of the thread's death",
  *setUp(stage) {
    const handle = must(yield* lpc.NtCreatePort(null));
    yield* nt.call((k) => {
      PsGetCurrentProcess(k).exceptionPort = must(referencePort(k, handle));
    });
    yield* stage.makeActor("creator", createsDeadThread);
    yield* stage.makeActor("server", () => hearsOfOther(handle, stage.thread("creator").tid));
  },
  schedule: [run("creator"), run("server")],
  violation(stage) {
    const notice = stage.answer("server") as PortMessage | null;
    const before = stage.answer("creator") as bigint | null;
    if (notice === null || before === null) return null;
    const { buffer, byteOffset } = notice.data;
    const created = new DataView(buffer, byteOffset).getBigUint64(0, true);
    if (created >= before) return null;
    return "the notice says that the thread was created before it was asked for: the server cannot tell which it was";
  },
};

const danglingRegistrations: Scenario = {
  id: "d19-dangling-registrations",
  defects: ["D19"],
  meaning:
    "somebody follows a dying thread's list of termination ports after the servers were told; the fields that share its " +
    "storage in the seed are fields of their own here",
  *setUp(stage) {
    yield* stage.makeActor("client", () => registersPort(stage));
    yield* stage.makeActor("reader", () => nt.call(() => stage.thread("client").terminationPort?.block.freed ?? null));
  },
  schedule: [until("client", "D19:servers-told"), run("reader"), run("client")],
  violation(stage) {
    return stage.answer("reader") === true ? "the list leads the reader into memory that is freed" : null;
  },
};

export const lpcScenarios: readonly Scenario[] = [
  danglingRegistrations,
  replyToDyingClient,
  stackInNotice,
  noticeForEver,
  freeRegistrations,
  lostSecurityPort,
  noticeWithoutTime,
];
