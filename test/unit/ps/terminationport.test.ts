/** Termination ports: who may register, and what the server hears when the thread dies. */
import { expect, test } from "vitest";
import { CT_DEAD_THREAD } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../../../src/abi/status.ts";
import { chargeQuota, returnQuota } from "../../../src/ex/quota.ts";
import { lpc } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { systemTimeOf } from "../../../src/ke/time.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import {
  ClientDied,
  createPort,
  createTimeIn,
  Datagram,
  messagesOf,
  newPort,
  sendDatagram,
  type TestPort,
} from "../../support/port.ts";
import { joined, must, play, settle, sleepForever, start, stepsOf, threadById } from "../../support/scene.ts";

/** A thread that registers the ports in order and ends. */
function client(...ports: TestPort[]) {
  return function* () {
    for (const { handle } of ports) expect(yield* lpc.NtRegisterThreadTerminatePort(handle)).toBe(STATUS_SUCCESS);
  };
}

test("RT1: a handle that is none answers INVALID_HANDLE, one of another type OBJECT_TYPE_MISMATCH", () => {
  play(function* () {
    expect(yield* lpc.NtRegisterThreadTerminatePort(0x444)).toBe(STATUS_INVALID_HANDLE);
    expect(yield* lpc.NtRegisterThreadTerminatePort(must(yield* nt.NtCreateEvent("notification")))).toBe(
      STATUS_OBJECT_TYPE_MISMATCH,
    );
  });
});

test("RT1: a handle without PORT_ALL_ACCESS answers ACCESS_DENIED and registers nothing", () => {
  play(function* () {
    const { port, handle } = yield* createPort(1);
    expect(yield* lpc.NtRegisterThreadTerminatePort(handle)).toBe(STATUS_ACCESS_DENIED);
    expect(headerOf(port).pointerCount).toBe(1);
    expect(yield* nt.call((k) => PsGetCurrentThread(k).terminationPort)).toBe(null);
  });
});

test("RT2: without memory for the node it answers INSUFFICIENT_RESOURCES and drops the port", () => {
  play(function* () {
    const { port, handle } = yield* createPort();
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "PsT=";
    });
    expect(yield* lpc.NtRegisterThreadTerminatePort(handle)).toBe(STATUS_INSUFFICIENT_RESOURCES);
    expect(headerOf(port).pointerCount).toBe(1);
  });
});

test("RT3: a registration holds one reference on the port until the thread dies", () => {
  play(function* () {
    const { port, handle } = yield* createPort();
    const child = yield* start(function* () {
      yield* lpc.NtRegisterThreadTerminatePort(handle);
      yield* sleepForever();
    });
    yield* settle();
    expect(headerOf(port).pointerCount).toBe(2);
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    expect(headerOf(port).pointerCount).toBe(1);
  });
});

test("T-LPC1, T-LPC4: the server of a registered port hears CLIENT_DIED from the thread that died, without replying", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(client(server));
    const { createTime, threadsProcess } = yield* nt.call((k) => threadById(k, child.id));
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(server.handle));
    expect(message).toMatchObject({ type: ClientDied, clientId: { pid: threadsProcess.pid, tid: child.id } });
    expect(createTimeIn(message)).toBe(systemTimeOf(createTime));
    expect(yield* joined(child.handle)).toBe(0);
  });
});

test("D17: every field of CLIENT_DIED is defined", () => {
  play(function* () {
    const server = yield* createPort();
    yield* joined((yield* start(client(server))).handle);
    expect(messagesOf(server.port)).toMatchObject([
      { totalLength: 32, dataLength: 8, dataInfoOffset: 0, clientViewSize: 0 },
    ]);
  });
});

test("T-LPC3: the notice comes after the earlier messages of the client", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(function* () {
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
      yield* nt.call((k) => {
        expect(sendDatagram(k, server.port)).toBe(STATUS_SUCCESS);
      });
    });
    yield* joined(child.handle);
    const types = messagesOf(server.port).map(({ type }) => type);
    expect(types).toEqual([Datagram, ClientDied]);
  });
});

test("E21: the ports are told newest registration first", () => {
  play(function* () {
    const ports = [yield* createPort(), yield* createPort(), yield* createPort()];
    yield* joined((yield* start(client(...ports))).handle);
    const ids = ports.map(({ port }) => messagesOf(port)[0]!.messageId);
    expect(ids).toEqual([3, 2, 1]);
  });
});

test("a port that is registered twice is told twice", () => {
  play(function* () {
    const server = yield* createPort();
    yield* joined((yield* start(client(server, server))).handle);
    expect(messagesOf(server.port)).toHaveLength(2);
    expect(headerOf(server.port).pointerCount).toBe(1);
  });
});

test("D45: a hundred registrations are all told and all freed", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(client(...Array.from({ length: 100 }, () => server)));
    yield* joined(child.handle);
    expect(messagesOf(server.port)).toHaveLength(100);
  });
});

test("D45: a registration is charged to the process until its notice is sent, and refused when there is no quota", () => {
  play(function* () {
    const server = yield* createPort();
    const quota = (yield* nt.call((k) => PsGetCurrentProcess(k).quotaBlock))!;
    const child = yield* start(function* () {
      expect(yield* lpc.NtRegisterThreadTerminatePort(server.handle)).toBe(STATUS_SUCCESS);
      const charged = quota.usage.poolBytes;
      expect(charged).toBeGreaterThan(0);
      const left = quota.limits.poolBytes - charged;
      expect(chargeQuota(quota, "poolBytes", left)).toBe(true);
      expect(yield* lpc.NtRegisterThreadTerminatePort(server.handle)).toBe(STATUS_QUOTA_EXCEEDED);
      returnQuota(quota, "poolBytes", left);
    });
    yield* joined(child.handle);
    expect(quota.usage.poolBytes).toBe(0);
    expect(messagesOf(server.port)).toHaveLength(1);
  });
});

test("E21: a server that has gone is not an obstacle", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(function* () {
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
      yield* nt.call(() => {
        server.port.connectedPort = null;
      });
    });
    expect(yield* joined(child.handle)).toBe(0);
    expect(messagesOf(server.port)).toEqual([]);
  });
});

test("E21: a port whose handles are closed lives until the thread that registered it has died", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(function* () {
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
      yield* nt.NtClose(server.handle);
      yield* sleepForever();
    });
    yield* settle();
    expect(headerOf(server.port).deleted).toBe(false);
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    expect(headerOf(server.port).deleted).toBe(true);
  });
});

/** Lets the first `count` allocations of LPC messages fail. */
function failMessages(k: Kernel, count: number): void {
  let failures = 0;
  k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM" && ++failures <= count;
}

test("E21b: without memory the notice is tried again every 100 ms until there is some", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(client(server));
    const before = yield* nt.call((k) => {
      failMessages(k, 3);
      return k.ke.prcb.clock;
    });
    yield* joined(child.handle);
    const seconds = ((yield* nt.call((k) => k.ke.prcb.clock)) - before) / 1e9;
    expect(seconds).toBeGreaterThan(0.3);
    expect(seconds).toBeLessThan(0.31);
    expect(messagesOf(server.port)).toHaveLength(1);
  });
});

test("D18: a server whose memory never comes back holds the thread for ten seconds, not for ever", () => {
  play(function* () {
    const server = yield* createPort();
    const child = yield* start(client(server));
    const before = yield* nt.call((k) => {
      failMessages(k, Infinity);
      return k.ke.prcb.clock;
    });
    yield* joined(child.handle);
    const seconds = ((yield* nt.call((k) => k.ke.prcb.clock)) - before) / 1e9;
    expect(seconds).toBeGreaterThan(9.9);
    expect(seconds).toBeLessThan(10.1);
    expect(messagesOf(server.port)).toEqual([]);
    expect(headerOf(server.port).pointerCount).toBe(1);
  });
});

test("E22: a thread without a port of its own tells the exception port of its process, which stays referenced", () => {
  const scene = play(function* () {
    const server = yield* createPort();
    yield* nt.call((k) => {
      ObReferenceObject(server.port);
      PsGetCurrentProcess(k).exceptionPort = server.port;
    });
    const child = yield* start(sleepForever);
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    expect(messagesOf(server.port)).toMatchObject([{ clientId: { tid: child.id } }]);
    expect(headerOf(server.port).pointerCount).toBe(2);
  });
  expect(stepsOf(scene)).toContain("E22");
});

test("E21: a thread with a port of its own does not tell the exception port", () => {
  play(function* () {
    const own = yield* createPort();
    const exceptions = yield* createPort();
    yield* nt.call((k) => {
      ObReferenceObject(exceptions.port);
      PsGetCurrentProcess(k).exceptionPort = exceptions.port;
    });
    yield* joined((yield* start(client(own))).handle);
    expect(messagesOf(own.port)).toHaveLength(1);
    expect(messagesOf(exceptions.port)).toEqual([]);
  });
});

test("E22: nobody is told of a thread whose creation failed, unless it dies with THREAD_IS_TERMINATING", () => {
  play(function* () {
    const port = yield* nt.call((k) => {
      const made = newPort(k);
      PsGetCurrentProcess(k).exceptionPort = made;
      return made;
    });
    for (const status of [5, STATUS_THREAD_IS_TERMINATING]) {
      const child = yield* start(sleepForever);
      yield* settle();
      yield* nt.call((k) => {
        threadById(k, child.id).crossThreadFlags |= CT_DEAD_THREAD;
      });
      yield* nt.NtTerminateThread(child.handle, status);
      yield* joined(child.handle);
    }
    expect(messagesOf(port)).toHaveLength(1);
  });
});
