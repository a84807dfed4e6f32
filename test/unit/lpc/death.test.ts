/** Calls whose client or server goes in the middle: in every state, everybody who waits is told, and nothing is left. */
import { describe, expect, test } from "vitest";
import { STATUS_LPC_REPLY_LOST, STATUS_REPLY_MESSAGE_MISMATCH } from "../../../src/abi/lpc.ts";
import {
  STATUS_INVALID_CID,
  STATUS_PORT_DISCONNECTED,
  STATUS_SUCCESS,
  STATUS_USER_APC,
} from "../../../src/abi/status.ts";
import { CURRENT_PROCESS_HANDLE } from "../../../src/abi/ps.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import {
  acceptNext,
  ClientDied,
  connect,
  connects,
  createServer,
  messagesOf,
  PORT_NAME,
  PortClosed,
  Request,
} from "../../support/port.ts";
import { ended, joined, must, play, settle, sleepForever, spawn, start, threadById } from "../../support/scene.ts";

/** A client that asks once and ends with the status of the answer. */
function* asks(): Script<void> {
  const port = yield* connect();
  yield* lpc.NtRegisterThreadTerminatePort(port);
  const answer = yield* lpc.NtRequestWaitReplyPort(port, lpcMessage());
  return (answer.ok ? 0 : answer.status) as never;
}

describe("the client dies", () => {
  test("with its request in the queue: the server receives it, then CLIENT_DIED, and has nobody to reply to", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(asks);
      yield* acceptNext(handle);
      yield* settle();
      yield* nt.NtTerminateThread(client.handle, 1);
      yield* joined(client.handle);
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
      expect(message.type).toBe(Request);
      expect(must(yield* lpc.NtReplyWaitReceivePort(handle)).message.type).toBe(ClientDied);
      const late = yield* lpc.NtReplyPort(handle, lpcReply(message));
      expect(late).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
    });
  });

  test("with its request at the server: the reply finds nobody", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(asks);
      const end = yield* acceptNext(handle);
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
      yield* nt.NtTerminateThread(client.handle, 1);
      yield* joined(client.handle);
      yield* nt.NtClose(client.handle);
      yield* settle();
      expect(yield* lpc.NtReplyPort(end, lpcReply(message))).toBe(STATUS_INVALID_CID);
    });
  });

  test("D16: at the same time as the reply comes, in either order, and nothing of it stays", () => {
    for (const order of ["kill, reply", "reply, kill"]) {
      play(function* () {
        const { handle } = yield* createServer();
        const client = yield* start(asks);
        const end = yield* acceptNext(handle);
        const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
        const reply = lpcReply(message);
        if (order === "kill, reply") {
          expect(yield* nt.NtTerminateThread(client.handle, 1)).toBe(STATUS_SUCCESS);
          yield* lpc.NtReplyPort(end, reply);
        } else {
          expect(yield* lpc.NtReplyPort(end, reply)).toBe(STATUS_SUCCESS);
          yield* nt.NtTerminateThread(client.handle, 1);
        }
        const { lpc: state } = yield* nt.call((k) => threadById(k, client.id));
        yield* joined(client.handle);
        expect([state.replyMessage, state.replyMessageId, state.waitingPort]).toEqual([null, 0, null]);
        expect(state.exitCalled).toBe(true);
      });
    }
  });

  test("with its whole process, on its own account: first CLIENT_DIED, then PORT_CLOSED", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* spawn(asks);
      yield* acceptNext(handle);
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
      yield* nt.NtTerminateProcess(client.handle, 3);
      const types = [];
      for (let count = 0; count < 2; count++) {
        types.push(must(yield* lpc.NtReplyWaitReceivePort(handle)).message.type);
      }
      expect(types).toEqual([ClientDied, PortClosed]);
      expect(yield* ended(client.handle)).toBe(3);
      const late = yield* lpc.NtReplyPort(handle, lpcReply(message));
      expect(late === STATUS_INVALID_CID || late === STATUS_REPLY_MESSAGE_MISMATCH).toBe(true);
    });
  });

  test("and leaves a server that asked it without a reply", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* spawn(function* () {
        const port = yield* connect();
        must(yield* lpc.NtReplyWaitReceivePort(port));
        yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 3);
      });
      const end = yield* acceptNext(handle);
      const answer = yield* lpc.NtRequestWaitReplyPort(end, lpcMessage());
      expect(answer).toEqual({ ok: false, status: STATUS_LPC_REPLY_LOST });
      expect(yield* lpc.NtRequestPort(end, lpcMessage())).toBe(STATUS_PORT_DISCONNECTED);
      const nothing = yield* lpc.NtReplyWaitReceivePort(end);
      expect(nothing).toEqual({ ok: false, status: STATUS_PORT_DISCONNECTED });
      yield* ended(client.handle);
    });
  });
});

/** A server process: accepts one client, receives `received` messages, and sleeps. */
function serverProcess(received: number) {
  return function* (): Script<void> {
    const { handle } = yield* createServer();
    yield* acceptNext(handle);
    for (let count = 0; count < received; count++) must(yield* lpc.NtReplyWaitReceivePort(handle));
    yield* sleepForever();
  };
}

describe("the server dies", () => {
  test.each([
    ["before it has received the request", 0],
    ["after it has received the request", 1],
  ])("%s: the client's reply is lost", (_name, received) => {
    play(function* () {
      const server = yield* spawn(serverProcess(received));
      yield* settle();
      const client = yield* start(asks);
      yield* settle();
      yield* nt.NtTerminateProcess(server.handle, 1);
      expect(yield* joined(client.handle)).toBe(STATUS_LPC_REPLY_LOST);
      yield* ended(server.handle);
    });
  });

  test("then every later message of the client answers PORT_DISCONNECTED", () => {
    play(function* () {
      const server = yield* spawn(serverProcess(0));
      yield* settle();
      const port = yield* connect();
      yield* nt.NtTerminateProcess(server.handle, 1);
      yield* ended(server.handle);
      yield* settle();
      expect(yield* lpc.NtRequestPort(port, lpcMessage())).toBe(STATUS_PORT_DISCONNECTED);
      const answer = yield* lpc.NtRequestWaitReplyPort(port, lpcMessage());
      expect(answer).toEqual({ ok: false, status: STATUS_PORT_DISCONNECTED });
    });
  });

  test("between a client's registration and its death: that notice is for nobody", () => {
    play(function* () {
      const server = yield* spawn(serverProcess(0));
      yield* settle();
      const client = yield* start(function* () {
        yield* lpc.NtRegisterThreadTerminatePort(yield* connect());
        yield* sleepForever();
      });
      yield* settle();
      yield* nt.NtTerminateProcess(server.handle, 1);
      yield* ended(server.handle);
      yield* nt.NtTerminateThread(client.handle, 4);
      expect(yield* joined(client.handle)).toBe(4);
    });
  });

  test("as one thread of several: another may reply in its place", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(asks);
      const end = yield* acceptNext(handle);
      let request = lpcMessage();
      const receiver = yield* start(function* () {
        request = must(yield* lpc.NtReplyWaitReceivePort(handle)).message;
        yield* sleepForever();
      });
      yield* settle();
      yield* nt.NtTerminateThread(receiver.handle, 1);
      yield* joined(receiver.handle);
      expect(yield* lpc.NtReplyPort(end, lpcReply(request))).toBe(STATUS_SUCCESS);
      expect(yield* joined(client.handle)).toBe(0);
    });
  });

  test("while it waits for a message: the wait ends with USER_APC and the message is for the next", () => {
    play(function* () {
      const { handle, port } = yield* createServer();
      let status = 0;
      const receiver = yield* start(function* () {
        status = (yield* lpc.NtReplyWaitReceivePort(handle) as Script<{ ok: boolean; status: number }>).status;
      });
      yield* settle();
      yield* nt.NtTerminateThread(receiver.handle, 1);
      const client = yield* start(connects);
      yield* joined(receiver.handle);
      // The thread never sees it.
      expect(status).not.toBe(STATUS_USER_APC);
      yield* settle();
      expect(messagesOf(port)).toHaveLength(1);
      yield* acceptNext(handle);
      yield* joined(client.handle);
    });
  });

  test("in the middle of a callback, as its client does: nobody waits for ever", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* spawn(function* () {
        const port = yield* connect();
        must(yield* lpc.NtRequestWaitReplyPort(port, lpcMessage()));
        // Asked back, it dies instead of replying.
        yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 3);
      });
      const end = yield* acceptNext(handle);
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
      const answer = yield* lpc.NtRequestWaitReplyPort(end, { ...lpcReply(message), type: Request });
      expect(answer).toEqual({ ok: false, status: STATUS_LPC_REPLY_LOST });
      yield* ended(client.handle);
    });
  });
});

describe("a handle is closed", () => {
  test("the client's: the server hears PORT_CLOSED behind what the client sent before", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(function* () {
        const port = yield* connect();
        yield* lpc.NtRequestPort(port, lpcMessage());
        yield* nt.NtClose(port);
      });
      yield* acceptNext(handle, 9);
      yield* lpc.NtReplyWaitReceivePort(handle);
      const { message, portContext } = must(yield* lpc.NtReplyWaitReceivePort(handle));
      expect([message.type, message.dataLength, portContext]).toEqual([PortClosed, 8, 9]);
      yield* joined(client.handle);
    });
  });

  test("the connection port's: a request that lies in it is answered with LPC_REPLY_LOST", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(asks);
      yield* acceptNext(handle);
      yield* settle();
      yield* nt.NtClose(handle);
      expect(yield* joined(client.handle)).toBe(STATUS_LPC_REPLY_LOST);
    });
  });

  test("the server's end: a request that it has received is answered with LPC_REPLY_LOST", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(asks);
      const end = yield* acceptNext(handle);
      must(yield* lpc.NtReplyWaitReceivePort(handle));
      yield* nt.NtClose(end);
      expect(yield* joined(client.handle)).toBe(STATUS_LPC_REPLY_LOST);
    });
  });

  test("while a thread waits in it: the port stays until the thread has gone", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const receiver = yield* start(function* () {
        yield* lpc.NtReplyWaitReceivePort(handle);
      });
      yield* settle();
      yield* nt.NtClose(handle);
      expect((yield* lpc.NtConnectPort(PORT_NAME)).connected).toBe(null);
      yield* nt.NtTerminateThread(receiver.handle, 1);
      yield* joined(receiver.handle);
    });
  });

  test("without memory for PORT_CLOSED: it is sent when there is some", () => {
    play(function* () {
      const { handle } = yield* createServer();
      const client = yield* start(function* () {
        const port = yield* connect();
        let failures = 0;
        yield* nt.call((k) => {
          k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM" && ++failures <= 3;
        });
        yield* nt.NtClose(port);
      });
      yield* acceptNext(handle);
      expect(must(yield* lpc.NtReplyWaitReceivePort(handle)).message.type).toBe(PortClosed);
      yield* joined(client.handle);
    });
  });
});

test("a machine on which everybody waits for a message or a reply says so", () => {
  const { machine } = play(
    function* () {
      const { handle } = yield* createServer();
      yield* start(asks);
      yield* acceptNext(handle);
      must(yield* lpc.NtReplyWaitReceivePort(handle));
      yield* lpc.NtReplyWaitReceivePort(handle);
    },
    { outcome: "deadlock" },
  );
  const kinds = machine.waitGraph().threads.map(({ waitsFor }) => waitsFor.map(({ kind }) => kind));
  expect(kinds).toEqual([["message"], ["reply"]]);
});
