/** Impersonation: a server thread acts as its client, as far as the client allows, until it acts as itself again. */
import { expect, test } from "vitest";
import { STATUS_INVALID_PORT_HANDLE, STATUS_REPLY_MESSAGE_MISMATCH } from "../../../src/abi/lpc.ts";
import {
  STATUS_INVALID_PARAMETER,
  STATUS_PORT_DISCONNECTED,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { chargeQuota, returnQuota } from "../../../src/ex/quota.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { SecurityQuality } from "../../../src/lpc/security.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { activeImpersonation, PsAssignImpersonationToken } from "../../../src/ps/impersonation.ts";
import { ImpersonationLevel } from "../../../src/se/token.ts";
import { acceptNext, createPort, createServer, PORT_NAME } from "../../support/port.ts";
import { joined, must, play, start } from "../../support/scene.ts";

/** A client that connects with these terms and asks one question. */
function asksWith(security: SecurityQuality) {
  return function* (): Script<void> {
    const { connected } = yield* lpc.NtConnectPort(PORT_NAME, { security });
    yield* lpc.NtRequestWaitReplyPort(connected!.handle, lpcMessage());
  };
}

test.each([
  ["as it is at each request", true],
  ["as it was when it connected", false],
])("the server acts as the client %s, at the level that the client chose", (_name, dynamic) => {
  play(function* () {
    const { handle } = yield* createServer();
    const level = ImpersonationLevel.Identification;
    const client = yield* start(asksWith({ level, dynamic, effectiveOnly: true }));
    const end = yield* acceptNext(handle);
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
    expect(yield* lpc.NtImpersonateClientOfPort(end, message)).toBe(STATUS_SUCCESS);
    const { impersonationInfo: info, threadsProcess } = yield* nt.call((k) => PsGetCurrentThread(k));
    expect([info!.level, info!.token.level]).toEqual([level, level]);
    expect(info!.token.user).toEqual(threadsProcess.token!.user);
    // Privileges that the client has turned off are not the server's.
    expect(info!.token.privileges.length).toBeLessThan(threadsProcess.token!.privileges.length);
    expect(yield* nt.call((k) => PsAssignImpersonationToken(k, PsGetCurrentThread(k), 0))).toBe(STATUS_SUCCESS);
    expect(yield* nt.call((k) => activeImpersonation(PsGetCurrentThread(k)))).toBe(null);
    yield* lpc.NtReplyPort(end, lpcReply(message));
    yield* joined(client.handle);
  });
});

test("a server that never acts as itself again takes the token with it", () => {
  play(function* () {
    const { handle } = yield* createServer();
    const client = yield* start(asksWith({ level: 2, dynamic: true, effectiveOnly: false }));
    const end = yield* acceptNext(handle);
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
    const worker = yield* start(function* () {
      for (let count = 0; count < 3; count++) yield* lpc.NtImpersonateClientOfPort(end, message);
    });
    yield* joined(worker.handle);
    yield* lpc.NtReplyPort(end, lpcReply(message));
    yield* joined(client.handle);
  });
});

test("only a client that waits can be impersonated, and only at the server's end", () => {
  play(function* () {
    const { handle } = yield* createServer();
    const client = yield* start(asksWith({ level: 2, dynamic: true, effectiveOnly: false }));
    const end = yield* acceptNext(handle);
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
    expect(yield* lpc.NtImpersonateClientOfPort(handle, message)).toBe(STATUS_INVALID_PORT_HANDLE);
    yield* lpc.NtReplyPort(end, lpcReply(message));
    yield* joined(client.handle);
    expect(yield* lpc.NtImpersonateClientOfPort(end, message)).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
  });
});

test("a client that has gone can't be impersonated", () => {
  play(function* () {
    const { handle } = yield* createServer();
    const client = yield* start(function* () {
      const { connected } = yield* lpc.NtConnectPort(PORT_NAME);
      yield* nt.NtClose(connected!.handle);
    });
    const end = yield* acceptNext(handle);
    yield* joined(client.handle);
    expect(yield* lpc.NtImpersonateClientOfPort(end, lpcMessage())).toBe(STATUS_PORT_DISCONNECTED);
  });
});

test("a level that is none is refused when connecting", () => {
  play(function* () {
    yield* createServer();
    const security = { level: 4, dynamic: true, effectiveOnly: false };
    expect((yield* lpc.NtConnectPort(PORT_NAME, { security })).status).toBe(STATUS_INVALID_PARAMETER);
  });
});

test("a message is charged to its sender until somebody takes it, and refused when there is no quota", () => {
  play(function* () {
    const { handle } = yield* createPort();
    const quota = (yield* nt.call((k) => PsGetCurrentProcess(k).quotaBlock))!;
    expect(yield* lpc.NtRequestPort(handle, lpcMessage())).toBe(STATUS_SUCCESS);
    const charged = quota.usage.poolBytes;
    expect(charged).toBeGreaterThan(24);
    const left = quota.limits.poolBytes - charged;
    expect(chargeQuota(quota, "poolBytes", left)).toBe(true);
    expect(yield* lpc.NtRequestPort(handle, lpcMessage())).toBe(STATUS_QUOTA_EXCEEDED);
    const answer = yield* lpc.NtRequestWaitReplyPort(handle, lpcMessage());
    expect(answer).toEqual({ ok: false, status: STATUS_QUOTA_EXCEEDED });
    returnQuota(quota, "poolBytes", left);
    must(yield* lpc.NtReplyWaitReceivePort(handle));
    expect(quota.usage.poolBytes).toBe(0);
  });
});
