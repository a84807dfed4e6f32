/** Messages: datagrams, requests, replies and callbacks between the ends of a connection. */
import { expect, test } from "vitest";
import { LPC_KERNELMODE_MESSAGE, LpcMessageType, STATUS_REPLY_MESSAGE_MISMATCH } from "../../../src/abi/lpc.ts";
import {
  STATUS_INVALID_CID,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PORT_MESSAGE_TOO_LONG,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { PortMessage } from "../../../src/lpc/message.ts";
import type { ReceivedMessage } from "../../../src/lpc/receive.ts";
import {
  acceptNext,
  ClientDied,
  connect,
  createPort,
  createServer,
  Datagram,
  messagesOf,
  PortClosed,
  Reply,
  Request,
  textMessage,
  textOf,
  textReply,
} from "../../support/port.ts";
import { joined, must, play, settle, spawn, start, threadById } from "../../support/scene.ts";

/** Plays a server that has accepted one client, and that client. */
function converse(
  client: (port: number) => Script<void>,
  server: (port: number, end: number) => Script<void>,
  options: { readonly process?: boolean } = {},
): void {
  play(function* () {
    const { handle } = yield* createServer();
    const program = function* (): Script<void> {
      yield* client(yield* connect());
    };
    const child = yield* options.process === true ? spawn(program) : start(program);
    yield* server(handle, yield* acceptNext(handle, 5));
    yield* nt.NtWaitForSingleObject(child.handle);
  });
}

test("T-LPC1 to T-LPC4: a datagram, a request and its reply, then CLIENT_DIED, and nothing else in between", () => {
  const log: [number, string][] = [];
  play(function* () {
    const { handle } = yield* createServer();
    const client = yield* start(function* () {
      const port = yield* connect();
      expect(yield* lpc.NtRegisterThreadTerminatePort(port)).toBe(STATUS_SUCCESS);
      expect(yield* lpc.NtRequestPort(port, textMessage("datagram"))).toBe(STATUS_SUCCESS);
      const reply = must(yield* lpc.NtRequestWaitReplyPort(port, textMessage("request")));
      expect([reply.type, textOf(reply)]).toEqual([Reply, "reply"]);
    });
    yield* acceptNext(handle, 5);
    let reply: PortMessage | null = null;
    for (;;) {
      const received: ReceivedMessage = must(yield* lpc.NtReplyWaitReceivePort(handle, reply));
      const { message, portContext } = received;
      expect([portContext, message.clientId.tid]).toEqual([5, client.id]);
      log.push([message.type, message.type === ClientDied ? "" : textOf(message)]);
      if (message.type === ClientDied) break;
      reply = message.type === Request ? textReply(message, "reply") : null;
    }
    // T-LPC4: the thread ends though nobody has replied.
    expect(yield* joined(client.handle)).toBe(0);
  });
  expect(log).toEqual([
    [Datagram, "datagram"],
    [Request, "request"],
    [ClientDied, ""],
  ]);
});

test("a client process that exits is heard first as CLIENT_DIED, then as PORT_CLOSED", () => {
  const types: number[] = [];
  converse(
    function* (port) {
      yield* lpc.NtRegisterThreadTerminatePort(port);
      yield* lpc.NtRequestPort(port, lpcMessage());
    },
    function* (port) {
      do types.push(must(yield* lpc.NtReplyWaitReceivePort(port)).message.type);
      while (types.at(-1) !== PortClosed);
    },
    { process: true },
  );
  expect(types).toEqual([Datagram, ClientDied, PortClosed]);
});

test("a server reads the same queue at its end of a connection as at its connection port", () => {
  converse(
    function* (port) {
      yield* lpc.NtRequestPort(port, textMessage("first"));
      yield* lpc.NtRequestPort(port, textMessage("second"));
    },
    function* (port, end) {
      expect(textOf(must(yield* lpc.NtReplyWaitReceivePort(end)).message)).toBe("first");
      expect(textOf(must(yield* lpc.NtReplyWaitReceivePort(port)).message)).toBe("second");
    },
  );
});

test("what a server sends on its own goes to the client's port", () => {
  converse(
    function* (port) {
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
      expect([message.type, textOf(message)]).toEqual([Request, "how are you?"]);
      expect(yield* lpc.NtReplyPort(port, textReply(message, "well"))).toBe(STATUS_SUCCESS);
    },
    function* (_port, end) {
      const reply = must(yield* lpc.NtRequestWaitReplyPort(end, textMessage("how are you?")));
      expect(textOf(reply)).toBe("well");
    },
  );
});

test("ids are never given twice, and a message says who sent it", () => {
  converse(
    function* (port) {
      for (let count = 0; count < 3; count++) yield* lpc.NtRequestPort(port, lpcMessage());
    },
    function* (port) {
      const ids = new Set<number>();
      for (let count = 0; count < 3; count++) {
        const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
        const sender = yield* nt.call((k) => threadById(k, message.clientId.tid).threadsProcess.pid);
        expect(message.clientId.pid).toBe(sender);
        ids.add(message.messageId);
      }
      expect(ids.size).toBe(3);
    },
  );
});

test("a server may call back: the client answers, and then hears the answer to its own question", () => {
  const log: string[] = [];
  converse(
    function* (port) {
      const question = must(yield* lpc.NtRequestWaitReplyPort(port, textMessage("what is my name?")));
      expect(question.type).toBe(Request);
      log.push(textOf(question));
      const answer = must(yield* lpc.NtReplyWaitReplyPort(port, textReply(question, "fourth")));
      expect(answer.type).toBe(Reply);
      log.push(textOf(answer));
    },
    function* (port, end) {
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
      log.push(textOf(message));
      const callback = { ...textReply(message, "which one?"), type: LpcMessageType.Request };
      const which = must(yield* lpc.NtRequestWaitReplyPort(end, callback));
      log.push(textOf(which));
      expect(yield* lpc.NtReplyPort(end, textReply(message, "four"))).toBe(STATUS_SUCCESS);
    },
  );
  expect(log).toEqual(["what is my name?", "which one?", "fourth", "four"]);
});

test("a receiver may say how long it waits, though it replies at once", () => {
  converse(
    function* (port) {
      expect(textOf(must(yield* lpc.NtRequestWaitReplyPort(port, lpcMessage())))).toBe("done");
    },
    function* (port) {
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
      const clock = yield* nt.call((k) => k.ke.prcb.clock);
      const next = yield* lpc.NtReplyWaitReceivePort(port, textReply(message, "done"), 50_000);
      // The client's thread ends without a word; its port stays with the process.
      expect(next).toEqual({ ok: false, status: STATUS_TIMEOUT });
      expect((yield* nt.call((k) => k.ke.prcb.clock)) - clock).toBeGreaterThanOrEqual(5_000_000);
    },
  );
});

test.each([
  ["longer than the port takes", { totalLength: 0x149 }],
  ["of data that are longer than the whole", { totalLength: 24, dataLength: 24 }],
  ["of nothing at all", { totalLength: 0, dataLength: 0 }],
])("a message %s answers PORT_MESSAGE_TOO_LONG, whichever way it goes", (_name, lengths) => {
  play(function* () {
    const { handle } = yield* createPort();
    const message = { ...lpcMessage(), ...lengths };
    const tooLong = { ok: false, status: STATUS_PORT_MESSAGE_TOO_LONG };
    expect(yield* lpc.NtRequestPort(handle, message)).toBe(STATUS_PORT_MESSAGE_TOO_LONG);
    expect(yield* lpc.NtReplyPort(handle, message)).toBe(STATUS_PORT_MESSAGE_TOO_LONG);
    expect(yield* lpc.NtRequestWaitReplyPort(handle, message)).toEqual(tooLong);
    expect(yield* lpc.NtReplyWaitReceivePort(handle, message)).toEqual(tooLong);
  });
});

test("a port that was made for short messages takes no longer ones", () => {
  play(function* () {
    const handle = must(yield* lpc.NtCreatePort(null, { maxMessageLength: 28 }));
    expect(yield* lpc.NtRequestPort(handle, textMessage("four"))).toBe(STATUS_SUCCESS);
    expect(yield* lpc.NtRequestPort(handle, textMessage("fives"))).toBe(STATUS_PORT_MESSAGE_TOO_LONG);
  });
});

test("a program may not claim to be the kernel, nor choose a type that is none", () => {
  play(function* () {
    const { handle } = yield* createPort();
    const typed = (type: number): PortMessage => ({ ...lpcMessage(), type });
    expect(yield* lpc.NtRequestPort(handle, typed(LPC_KERNELMODE_MESSAGE))).toBe(STATUS_INVALID_PARAMETER);
    const invalid = { ok: false, status: STATUS_INVALID_PARAMETER };
    for (const type of [LPC_KERNELMODE_MESSAGE | 1, Reply, Datagram, LpcMessageType.ConnectionRequest, 11]) {
      expect(yield* lpc.NtRequestWaitReplyPort(handle, typed(type))).toEqual(invalid);
    }
  });
});

test("data information must lie in the message", () => {
  play(function* () {
    const { handle } = yield* createPort();
    const message = { ...lpcMessage(new Uint8Array(12)), totalLength: 36 };
    expect(yield* lpc.NtRequestPort(handle, { ...message, dataInfoOffset: 24 })).toBe(STATUS_INVALID_PARAMETER);
    for (const dataInfoOffset of [1, 20, 25, 36, 0xfffc]) {
      const answer = yield* lpc.NtRequestWaitReplyPort(handle, { ...message, dataInfoOffset });
      expect(answer).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER });
    }
    const many = new Uint8Array(12);
    many.set([0xff, 0xff, 0xff, 0xff]);
    const answer = yield* lpc.NtRequestWaitReplyPort(handle, { ...lpcMessage(many), dataInfoOffset: 24 });
    expect(answer).toEqual({ ok: false, status: STATUS_INVALID_PARAMETER });
  });
});

test("handles that are no ports' are refused", () => {
  play(function* () {
    expect(yield* lpc.NtRequestPort(0x444, lpcMessage())).toBe(STATUS_INVALID_HANDLE);
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* lpc.NtReplyPort(event, lpcMessage())).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });
});

test("a reply goes to nobody who does not wait for it", () => {
  converse(
    function* (port) {
      yield* lpc.NtRequestWaitReplyPort(port, lpcMessage());
    },
    function* (port, end) {
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
      const reply = lpcReply(message);
      const nobody = { ...reply, clientId: { pid: 4, tid: 99992 } };
      expect(yield* lpc.NtReplyPort(end, nobody)).toBe(STATUS_INVALID_CID);
      const other = { ...reply, messageId: message.messageId + 1 };
      expect(yield* lpc.NtReplyPort(end, other)).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
      expect(yield* lpc.NtReplyPort(end, { ...reply, messageId: 0 })).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
      const strange = yield* createPort();
      expect(yield* lpc.NtReplyPort(strange.handle, reply)).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
      expect(yield* lpc.NtReplyPort(end, reply)).toBe(STATUS_SUCCESS);
      expect(yield* lpc.NtReplyPort(end, reply)).toBe(STATUS_REPLY_MESSAGE_MISMATCH);
    },
  );
});

test("without memory nothing is sent, and who wanted a reply does not wait", () => {
  converse(
    function* (port) {
      yield* nt.call((k) => {
        k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM";
      });
      expect(yield* lpc.NtRequestPort(port, lpcMessage())).toBe(STATUS_NO_MEMORY);
      const answer = yield* lpc.NtRequestWaitReplyPort(port, lpcMessage());
      expect(answer).toEqual({ ok: false, status: STATUS_NO_MEMORY });
      yield* nt.call((k) => {
        k.ex.pool.failure = null;
      });
      yield* lpc.NtRequestWaitReplyPort(port, lpcMessage());
    },
    function* (port) {
      const { message } = must(yield* lpc.NtReplyWaitReceivePort(port));
      yield* nt.call((k) => {
        k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM";
      });
      // The client still waits, so the server may try again.
      expect(yield* lpc.NtReplyPort(port, lpcReply(message))).toBe(STATUS_NO_MEMORY);
      yield* nt.call((k) => {
        k.ex.pool.failure = null;
      });
      expect(yield* lpc.NtReplyPort(port, lpcReply(message))).toBe(STATUS_SUCCESS);
    },
  );
});

test("whoever has a handle to a port without a name may talk to whoever else has one", () => {
  play(function* () {
    const { handle, port } = yield* createPort();
    const client = yield* start(function* () {
      expect(textOf(must(yield* lpc.NtRequestWaitReplyPort(handle, textMessage("ping"))))).toBe("pong");
    });
    yield* settle();
    expect(messagesOf(port)).toHaveLength(1);
    const { message } = must(yield* lpc.NtReplyWaitReceivePort(handle));
    expect(yield* lpc.NtReplyPort(handle, textReply(message, "pong"))).toBe(STATUS_SUCCESS);
    yield* joined(client.handle);
  });
});
