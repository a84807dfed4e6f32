/**
 * Everything that can run out runs out, place by place, while processes and threads are created and end, alone and with
 * ports, jobs and debuggers. `npm run sweep` says how many places there are.
 */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { DEBUG_KILL_ON_CLOSE } from "../../src/abi/dbgk.ts";
import { debugServices as dbg } from "../../src/guest/script/debugservices.ts";
import { lpc, lpcMessage, lpcReply } from "../../src/guest/script/lpc.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import { auditAfterwards, runHostile } from "../support/hostile.ts";
import { createPort, messagesOf, PORT_NAME } from "../support/port.ts";
import { joined, play, settle, sleepForever, spin, start } from "../support/scene.ts";
import { type Answers, Refusal, sweep, type SweptProgram } from "../support/sweep.ts";

const counted: { readonly name: string; readonly points: number }[] = [];

afterAll(() => {
  const total = counted.reduce((sum, { points }) => sum + points, 0);
  const lines = counted.map(({ name, points }) => `${String(points).padStart(6)}  ${name}`);
  process.stdout.write(`${lines.join("\n")}\n${String(total).padStart(6)}  places refused, nothing leaked\n`);
});

function swept(name: string, least: number, program: SweptProgram): void {
  test(`nothing leaks and nothing hangs wherever memory or quota runs out: ${name}`, () => {
    const points = sweep(program);
    counted.push({ name, points });
    expect(points).toBeGreaterThanOrEqual(least);
  });
}

/** Creates a thread, lets it go as far as it gets, and ends it. */
function* oneThread(answers: Answers, suspended: boolean, process?: number): Script<void> {
  const options = { suspended, ...(process === undefined ? {} : { process }) };
  const child = answers.value(yield* nt.NtCreateThread(spin, options));
  if (child === null) return;
  yield* settle();
  answers.good(yield* nt.NtTerminateThread(child.handle, 3));
  answers.good(yield* nt.NtWaitForSingleObject(child.handle));
  answers.good(yield* nt.NtClose(child.handle));
}

swept("threads, running and suspended", 10, function* (answers) {
  yield* oneThread(answers, false);
  yield* oneThread(answers, true);
  const sleeper = answers.value(yield* nt.NtCreateThread(sleepForever));
  if (sleeper === null) return;
  answers.good(yield* nt.NtTerminateProcess(0, 4));
  answers.good(yield* nt.NtWaitForSingleObject(sleeper.handle));
});

swept("APCs, mutants, events and timers of a thread that is killed", 10, function* (answers) {
  const mutant = answers.value(yield* nt.NtCreateMutant(false, "sweep"));
  const event = answers.value(yield* nt.NtCreateEvent("notification"));
  const child = answers.value(
    yield* nt.NtCreateThread(function* () {
      if (mutant !== null) yield* nt.NtWaitForSingleObject(mutant);
      yield* nt.NtCreateSemaphore(0, 1);
      yield* sleepForever();
    }),
  );
  if (child === null) return;
  yield* settle();
  for (let count = 0; count < 3; count++) {
    answers.good(
      yield* nt.NtQueueApcThread(child.handle, function* () {
        if (event !== null) yield* nt.NtSetEvent(event);
      }),
    );
  }
  answers.good(yield* nt.NtTerminateThread(child.handle, 3));
  answers.good(yield* nt.NtWaitForSingleObject(child.handle));
});

swept("processes, with inherited handles and a thread from outside", 10, function* (answers) {
  yield* nt.NtCreateEvent("notification", "inherited");
  const child = answers.value(yield* nt.NtCreateProcess("child.exe", spin, { inheritHandles: true }));
  if (child === null) return;
  yield* oneThread(answers, false, child.handle);
  const again = answers.value(yield* nt.NtOpenProcess(child.id));
  if (again !== null) answers.good(yield* nt.NtTerminateProcess(again, 5));
  answers.good(yield* nt.NtTerminateProcess(child.handle, 5));
  answers.good(yield* nt.NtWaitForSingleObject(child.handle));
});

swept("processes that never get a thread", 10, function* (answers) {
  const child = answers.value(yield* nt.NtCreateProcess("empty.exe", null));
  if (child !== null) answers.good(yield* nt.NtTerminateProcess(child.handle, 5));
});

swept("a handle table that has to grow, and is inherited", 10, function* (answers, refusal) {
  refusal.pause();
  for (let count = 0; count < 505; count++) yield* nt.NtCreateEvent("notification");
  refusal.resume();
  for (let count = 0; count < 10; count++) {
    if (answers.value(yield* nt.NtCreateEvent("notification")) === null) return;
  }
  const child = answers.value(yield* nt.NtCreateProcess("child.exe", sleepForever, { inheritHandles: true }));
  if (child !== null) yield* oneThread(answers, true, child.handle);
});

swept("ports, whose servers are told of a client's death", 10, function* (answers) {
  const server = answers.value(yield* lpc.NtCreatePort(PORT_NAME));
  if (server === null) return;
  const client = answers.value(
    yield* nt.NtCreateThread(function* () {
      const { status, connected } = yield* lpc.NtConnectPort(PORT_NAME);
      answers.good(status);
      if (connected === null) return;
      answers.good(yield* lpc.NtRegisterThreadTerminatePort(connected.handle));
      answers.good(yield* lpc.NtRequestPort(connected.handle, lpcMessage()));
      yield* lpc.NtRequestWaitReplyPort(connected.handle, lpcMessage());
    }),
  );
  if (client === null) return;
  yield* settle();
  const request = yield* lpc.NtReplyWaitReceivePort(server, null, 10_000);
  if (request.ok) {
    const accepted = answers.value(yield* lpc.NtAcceptConnectPort(lpcReply(request.value.message), true));
    if (accepted !== null) answers.good(yield* lpc.NtCompleteConnectPort(accepted.handle));
  }
  yield* settle();
  answers.good(yield* nt.NtTerminateThread(client.handle, 3));
  answers.good(yield* nt.NtWaitForSingleObject(client.handle));
  for (;;) {
    const received = yield* lpc.NtReplyWaitReceivePort(server, null, 10_000);
    if (!received.ok) return;
  }
});

swept("jobs that end their members, and tell a completion port", 10, function* (answers) {
  const job = answers.value(yield* nt.NtCreateJobObject());
  const port = answers.value(yield* nt.NtCreateIoCompletion());
  if (job === null || port === null) return;
  answers.good(yield* nt.NtSetInformationJobObject(job, { kind: "completion-port", port, key: 1 }));
  const child = answers.value(yield* nt.NtCreateProcess("member.exe", spin));
  if (child === null) return;
  answers.good(yield* nt.NtAssignProcessToJobObject(job, child.handle));
  yield* oneThread(answers, true, child.handle);
  answers.good(yield* nt.NtTerminateJobObject(job, 7));
  answers.good(yield* nt.NtWaitForSingleObject(child.handle));
  while ((yield* nt.NtRemoveIoCompletion(port, 0)).ok);
});

swept("debuggers, attached and let go of", 10, function* (answers) {
  const debug = answers.value(yield* dbg.NtCreateDebugObject(DEBUG_KILL_ON_CLOSE));
  const child = answers.value(yield* nt.NtCreateProcess("debuggee.exe", spin));
  if (debug === null || child === null) return;
  yield* settle();
  if (!answers.good(yield* dbg.NtDebugActiveProcess(child.handle, debug))) return;
  const extra = answers.value(yield* nt.NtCreateThread(spin, { process: child.handle }));
  for (let events = 0; events < 4; events++) {
    const change = yield* dbg.NtWaitForDebugEvent(debug, 10_000);
    if (!change.ok) break;
    yield* dbg.NtDebugContinue(debug, change.value.clientId);
    if (events === 1 && extra !== null) yield* nt.NtTerminateThread(extra.handle, 3);
  }
  answers.good(yield* nt.NtClose(debug));
  answers.good(yield* nt.NtWaitForSingleObject(child.handle));
});

/** x86 programs decide for themselves what a refusal means: only the kernel's part is looked at. */
function sweptSample(sample: string, least: number): void {
  const bytes = new Uint8Array(readFileSync(`samples/native/${sample}.exe`));
  const runOnce = (at: number): Refusal => {
    const refusal = new Refusal(at);
    const done = runHostile(bytes, { limits: { instructions: 5_000_000 }, observe: (k) => refusal.attach(k) });
    refusal.detach(done.machine.kernel);
    expect(auditAfterwards(done)).toEqual([]);
    return refusal;
  };
  test(`nothing leaks wherever memory or quota runs out: ${sample}`, () => {
    const { points } = runOnce(0);
    for (let at = 1; at <= points; at++) {
      try {
        expect(runOnce(at).kind).not.toBe(null);
      } catch (error) {
        throw new Error(`with a refusal at place ${at} of ${points}`, { cause: error });
      }
    }
    counted.push({ name: `${sample}, in x86 user mode`, points });
    expect(points).toBeGreaterThanOrEqual(least);
  });
}

sweptSample("threads", 40);
sweptSample("exit-while-waiting", 30);
sweptSample("kill-suspended", 30);
sweptSample("apc-sleeper", 30);
sweptSample("abandoned-mutant", 30);

test.each([1, 7, 99])("E21: a server that has no memory for its notice %i times gets it in the end", (times) => {
  let refused = 0;
  const scene = play(function* () {
    const server = yield* createPort();
    const client = yield* start(function* () {
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
    });
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM" && ++refused <= times;
    });
    expect(yield* joined(client.handle)).toBe(0);
    expect(messagesOf(server.port)).toHaveLength(1);
  });
  expect(refused).toBe(times + 1);
  expect(scene.end.exitStatus).toBe(0);
});
