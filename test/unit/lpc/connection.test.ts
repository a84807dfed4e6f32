/** Connecting to ports: names, acceptance, refusal, and who goes in between. */
import { expect, test } from "vitest";
import {
  LpcMessageType,
  STATUS_INVALID_PORT_HANDLE,
  STATUS_REPLY_MESSAGE_MISMATCH,
  STATUS_SERVER_SID_MISMATCH,
} from "../../../src/abi/lpc.ts";
import {
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PORT_CONNECTION_REFUSED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { lpc, lpcReply } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { NtQueryInformationPort } from "../../../src/lpc/create.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { WellKnownSid } from "../../../src/se/sid.ts";
import {
  acceptNext,
  connect,
  connects,
  createServer,
  messagesOf,
  PORT_NAME,
  PortClosed,
  portOf,
  textOf,
  textReply,
} from "../../support/port.ts";
import { joined, must, play, settle, sleepForever, spawn, start, threadById } from "../../support/scene.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a port whose lengths no port has is refused", () => {
  play(function* () {
    const longInformation = yield* lpc.NtCreatePort(PORT_NAME, { maxConnectionInfoLength: 261 });
    expect(longInformation).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER_3 });
    const longMessages = yield* lpc.NtCreatePort(PORT_NAME, { maxMessageLength: 0x149 });
    expect(longMessages).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER_4 });
  });
});

test("a name belongs to one port", () => {
  play(function* () {
    yield* createServer();
    const again = yield* lpc.NtCreatePort(PORT_NAME);
    expect(again).toEqual({ ok: false, status: STATUS_OBJECT_NAME_COLLISION });
  });
});

test("a name that nobody has answers OBJECT_NAME_NOT_FOUND, one of another type OBJECT_TYPE_MISMATCH", () => {
  play(function* () {
    expect((yield* lpc.NtConnectPort(PORT_NAME)).status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
    must(yield* nt.NtCreateEvent("notification", "port"));
    expect((yield* lpc.NtConnectPort(PORT_NAME)).status).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("client and server agree: the information goes there and back, and each end has a handle", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(function* () {
      const { status, information, connected } = yield* lpc.NtConnectPort(PORT_NAME, { information: bytes("who?") });
      expect(status).toBe(STATUS_SUCCESS);
      expect(textOf({ data: information! })).toBe("you!");
      expect(connected).toMatchObject({ maxMessageLength: 0x148, clientView: null, serverView: null });
      expect((yield* portOf(connected!.handle)).kind).toBe("client");
    });
    const request = must(yield* lpc.NtListenPort(server.handle));
    expect(request).toMatchObject({
      type: LpcMessageType.ConnectionRequest,
      totalLength: 28,
      dataLength: 4,
      clientId: { tid: client.id },
      clientViewSize: 0,
    });
    expect(textOf(request)).toBe("who?");
    const { handle } = must(yield* lpc.NtAcceptConnectPort(textReply(request, "you!"), true));
    yield* settle();
    // The client goes on only when the server says so.
    expect((yield* nt.call((k) => threadById(k, client.id))).signalState).toBe(0);
    expect(yield* lpc.NtCompleteConnectPort(handle)).toBe(STATUS_SUCCESS);
    expect(yield* joined(client.handle)).toBe(0);
    expect((yield* portOf(handle)).kind).toBe("server");
  });
});

test("information that is too long is cut off in both directions", () => {
  play(function* () {
    const handle = must(yield* lpc.NtCreatePort(PORT_NAME, { maxConnectionInfoLength: 3 }));
    const client = yield* start(function* () {
      const { information } = yield* lpc.NtConnectPort(PORT_NAME, { information: bytes("question") });
      expect(textOf({ data: information! })).toBe("ans");
    });
    const request = must(yield* lpc.NtListenPort(handle));
    expect(textOf(request)).toBe("que");
    const accepted = must(yield* lpc.NtAcceptConnectPort(textReply(request, "answer"), true));
    yield* lpc.NtCompleteConnectPort(accepted.handle);
    yield* joined(client.handle);
  });
});

test("a refused client hears why, and nothing of the connection stays", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(function* () {
      const { status, information, connected } = yield* lpc.NtConnectPort(PORT_NAME);
      expect([status, connected]).toEqual([STATUS_PORT_CONNECTION_REFUSED, null]);
      expect(textOf({ data: information! })).toBe("no");
    });
    const request = must(yield* lpc.NtListenPort(server.handle));
    const refusal = must(yield* lpc.NtAcceptConnectPort(textReply(request, "no"), false));
    expect(refusal.handle).toBe(0);
    yield* joined(client.handle);
    expect(headerOf(server.port).pointerCount).toBe(2);
    expect(messagesOf(server.port)).toEqual([]);
  });
});

test("a reply that names no connecting thread accepts nothing", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(connects);
    const request = must(yield* lpc.NtListenPort(server.handle));
    const stranger = { ...lpcReply(request), clientId: { pid: 4, tid: 99992 } };
    expect(yield* lpc.NtAcceptConnectPort(stranger, true)).toEqual({ ok: false, status: STATUS_INVALID_CID });
    const other = { ...lpcReply(request), messageId: request.messageId + 1 };
    const mismatch = { ok: false, status: STATUS_REPLY_MESSAGE_MISMATCH };
    expect(yield* lpc.NtAcceptConnectPort(other, true)).toEqual(mismatch);
    const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true));
    expect(yield* lpc.NtAcceptConnectPort(lpcReply(request), true)).toEqual(mismatch);
    yield* lpc.NtCompleteConnectPort(handle);
    yield* joined(client.handle);
  });
});

test("only the process that made the port may accept", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(connects);
    const request = must(yield* lpc.NtListenPort(server.handle));
    const thief = yield* spawn(function* () {
      const stolen = yield* lpc.NtAcceptConnectPort(lpcReply(request), true);
      expect(stolen).toEqual({ ok: false, status: STATUS_REPLY_MESSAGE_MISMATCH });
    });
    yield* nt.NtWaitForSingleObject(thief.handle);
    const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true));
    yield* lpc.NtCompleteConnectPort(handle);
    yield* joined(client.handle);
  });
});

test("a connection is completed once, and only at the server's end", () => {
  play(function* () {
    const server = yield* createServer();
    let end = 0;
    const client = yield* start(function* () {
      end = yield* connect();
      expect(yield* lpc.NtCompleteConnectPort(end)).toBe(STATUS_INVALID_PORT_HANDLE);
    });
    const handle = yield* acceptNext(server.handle);
    yield* joined(client.handle);
    expect(yield* lpc.NtCompleteConnectPort(handle)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* lpc.NtCompleteConnectPort(server.handle)).toBe(STATUS_INVALID_PORT_HANDLE);
  });
});

test("a client that insists on who serves it is told if it is somebody else", () => {
  play(function* () {
    const server = yield* createServer();
    const wrong = yield* lpc.NtConnectPort(PORT_NAME, { requiredServerSid: WellKnownSid.localSystem });
    expect(wrong.status).toBe(STATUS_SERVER_SID_MISMATCH);
    const client = yield* start(function* () {
      const right = yield* lpc.NtConnectPort(PORT_NAME, { requiredServerSid: WellKnownSid.user });
      expect(right.status).toBe(STATUS_SUCCESS);
    });
    yield* acceptNext(server.handle);
    yield* joined(client.handle);
  });
});

test("the end of a connection port refuses those who wait for it, and takes its name", () => {
  play(function* () {
    const server = yield* createServer();
    const clients: number[] = [];
    for (let index = 0; index < 3; index++) {
      const client = yield* start(function* () {
        expect((yield* lpc.NtConnectPort(PORT_NAME)).status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
      });
      clients.push(client.handle);
    }
    yield* settle();
    must(yield* lpc.NtReplyWaitReceivePort(server.handle));
    yield* nt.NtClose(server.handle);
    for (const client of clients) yield* joined(client);
    expect((yield* lpc.NtConnectPort(PORT_NAME)).status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
  });
});

test("a server that closes its end before it completes has refused", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(function* () {
      expect((yield* lpc.NtConnectPort(PORT_NAME)).status).toBe(STATUS_PORT_CONNECTION_REFUSED);
    });
    const request = must(yield* lpc.NtListenPort(server.handle));
    const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true));
    yield* nt.NtClose(handle);
    yield* joined(client.handle);
  });
});

test("a client that is killed takes its request with it", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(connects);
    yield* settle();
    expect(messagesOf(server.port)).toHaveLength(1);
    yield* nt.NtTerminateThread(client.handle, 1);
    yield* joined(client.handle);
    expect(messagesOf(server.port)).toEqual([]);
    // Nothing was counted for it either.
    expect((yield* lpc.NtReplyWaitReceivePort(server.handle, null, 10_000)).ok).toBe(false);
  });
});

test("a client that is killed while the server decides leaves nobody to accept", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(connects);
    const request = must(yield* lpc.NtListenPort(server.handle));
    yield* nt.NtTerminateThread(client.handle, 1);
    yield* joined(client.handle);
    const late = yield* lpc.NtAcceptConnectPort(lpcReply(request), true);
    expect(late).toEqual({ ok: false, status: STATUS_REPLY_MESSAGE_MISMATCH });
  });
});

test("a client that is killed between acceptance and completion closes its end", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(connects);
    const request = must(yield* lpc.NtListenPort(server.handle));
    const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true, 77));
    yield* nt.NtTerminateThread(client.handle, 1);
    yield* joined(client.handle);
    const { message, portContext } = must(yield* lpc.NtReplyWaitReceivePort(server.handle));
    expect([message.type, portContext]).toEqual([PortClosed, 77]);
    expect(yield* lpc.NtCompleteConnectPort(handle)).toBe(STATUS_SUCCESS);
  });
});

test("a server's context is the handle of its end unless it says otherwise", () => {
  play(function* () {
    const server = yield* createServer();
    const client = yield* start(function* () {
      yield* nt.NtClose(yield* connect());
    });
    const handle = yield* acceptNext(server.handle);
    yield* joined(client.handle);
    const { portContext } = must(yield* lpc.NtReplyWaitReceivePort(server.handle));
    expect(portContext).toBe(handle);
  });
});

test("a query says only whether the handle is a port's", () => {
  play(function* () {
    const { handle } = yield* createServer();
    expect(yield* nt.call((k) => NtQueryInformationPort(k, handle, 0))).toBe(STATUS_SUCCESS);
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* nt.call((k) => NtQueryInformationPort(k, event, 0))).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("a waitable port is signaled while a message waits in it", () => {
  play(function* () {
    const handle = must(yield* lpc.NtCreateWaitablePort(PORT_NAME));
    expect(yield* nt.NtWaitForSingleObject(handle, false, 0)).not.toBe(STATUS_SUCCESS);
    const client = yield* start(connects);
    expect(yield* nt.NtWaitForSingleObject(handle)).toBe(STATUS_SUCCESS);
    yield* acceptNext(handle);
    expect(yield* nt.NtWaitForSingleObject(handle, false, 0)).not.toBe(STATUS_SUCCESS);
    yield* joined(client.handle);
  });
});

test("ports that wait for nobody go with their processes", () => {
  play(function* () {
    const server = yield* spawn(function* () {
      const { handle } = yield* createServer();
      yield* acceptNext(handle);
      yield* sleepForever();
    });
    yield* settle();
    const client = yield* spawn(function* () {
      yield* connect();
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateProcess(server.handle, 1);
    yield* nt.NtTerminateProcess(client.handle, 1);
  });
});
