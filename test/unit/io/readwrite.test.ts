import { expect, it } from "vitest";
import { NtReadFile, NtWriteFile } from "../../../src/io/readwrite.ts";
import { NtSetInformationFile } from "../../../src/io/setinfo.ts";
import { NtLockFile, NtUnlockFile } from "../../../src/io/control.ts";
import { IoGetFileBytes, IoReadWholeFile } from "../../../src/io/section.ts";
import { FileObject } from "../../../src/io/file.ts";
import { ObReferenceObjectByHandle } from "../../../src/ob/handle.ts";
import { NtCreateEvent } from "../../../src/ob/exobjects/event.ts";
import { NtWaitForSingleObject } from "../../../src/ob/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newProcess, run, valueOf } from "../../support/kernel.ts";
import { bytes, inThread, ioKernel, opened, READ, readText, spawnIo, text, WRITE, writeText } from "./support.ts";

const F = "\\??\\C:\\f";
const ASYNC = 0;

it("the file pointer of a synchronous file moves with reads and writes", () => {
  const parts = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F);
    yield* writeText(k, handle, "hello");
    yield* writeText(k, handle, " world");
    yield* NtSetInformationFile(k, handle, { kind: "position", offset: 3n });
    return [yield* readText(k, handle, 4), yield* readText(k, handle, 100)];
  });
  expect(parts).toEqual(["lo w", "orld"]);
});

it("a read behind the last byte answers END_OF_FILE, and an empty one SUCCESS", () => {
  const statuses = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F);
    yield* writeText(k, handle, "x");
    return [
      (yield* NtReadFile(k, handle, { length: 1, byteOffset: 1n })).status,
      (yield* NtReadFile(k, handle, { length: 1, byteOffset: 1n << 60n })).status,
      (yield* NtReadFile(k, handle, { length: 0, byteOffset: 1n })).status,
    ];
  });
  expect(statuses).toEqual([0xc0000011, 0xc0000011, 0]);
});

it("an asynchronous file needs an offset", () => {
  const statuses = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F, { options: ASYNC });
    const without = yield* NtWriteFile(k, handle, { bytes: bytes("x") });
    const with0 = yield* NtWriteFile(k, handle, { bytes: bytes("x"), byteOffset: 0n });
    return [without.status, with0.status, without.finished, with0.finished];
  });
  expect(statuses).toEqual([0xc000000d, 0, false, true]);
});

it("offset -1, and a handle that may only append, write at the end", () => {
  const content = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F);
    yield* writeText(k, handle, "ab");
    yield* writeText(k, handle, "c", -1n);
    const appender = yield* opened(k, F, { access: 0x100004 });
    yield* writeText(k, appender, "d", 0n);
    return yield* readText(k, handle, 10, 0n);
  });
  expect(content).toBe("abcd");
});

it("a handle without the right is refused", () => {
  const statuses = inThread(ioKernel(), function* (k) {
    const reader = yield* opened(k, F, { access: READ });
    const writer = yield* opened(k, F, { access: WRITE });
    return [yield* writeText(k, reader, "x"), (yield* NtReadFile(k, writer, { length: 1 })).status];
  });
  expect(statuses).toEqual([0xc0000022, 0xc0000022]);
});

it("a write behind the end leaves zeros in between", () => {
  const content = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F);
    yield* writeText(k, handle, "abcdef");
    yield* NtSetInformationFile(k, handle, { kind: "end-of-file", length: 1n });
    yield* writeText(k, handle, "z", 3n);
    return (yield* NtReadFile(k, handle, { length: 9, byteOffset: 0n })).output;
  });
  expect([...(content ?? [])]).toEqual([97, 0, 0, 122]);
});

it("the quota of bytes bounds what a guest can write, however it asks", () => {
  const k = ioKernel({ io: { volumeBytes: 1000 } });
  const statuses = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, F);
    return [
      yield* writeText(kernel, handle, "x".repeat(900)),
      yield* writeText(kernel, handle, "x".repeat(200)),
      yield* writeText(kernel, handle, "x", 1n << 40n),
      yield* NtSetInformationFile(kernel, handle, { kind: "end-of-file", length: 1n << 45n }),
    ];
  });
  expect([statuses, k.volume.bytesUsed]).toEqual([[0, 0xc000007f, 0xc000007f, 0xc000007f], 900]);
});

it("a file is signaled while no request is under way", () => {
  const status = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, F);
    yield* writeText(k, handle, "x");
    return yield* NtWaitForSingleObject(k, handle, false, 0);
  });
  expect(status).toBe(0);
});

it("an exclusive lock keeps another process out and lets its owner in", () => {
  const k = ioKernel();
  const lock = { start: 0n, length: 4n, key: 0, exclusive: true, failImmediately: true };
  const other = newProcess(k, { parent: null });
  const mine = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, F);
    yield* writeText(kernel, handle, "12345678");
    yield* NtLockFile(kernel, handle, lock);
    return yield* readText(kernel, handle, 8, 0n);
  });
  const theirs: number[] = [];
  spawnIo(
    k,
    function* (kernel) {
      const handle = yield* opened(kernel, F);
      theirs.push((yield* NtReadFile(kernel, handle, { length: 8, byteOffset: 0n })).status);
      theirs.push((yield* NtReadFile(kernel, handle, { length: 4, byteOffset: 4n })).status);
      theirs.push((yield* NtLockFile(kernel, handle, lock)).status);
      theirs.push(yield* NtUnlockFile(kernel, handle, lock));
    },
    { process: other },
  );
  run(k);
  expect([mine, theirs]).toEqual(["12345678", [0xc0000054, 0, 0xc0000055, 0xc000007e]]);
});

it("a lock that may wait is granted when the range is released", () => {
  const k = ioKernel();
  const lock = { start: 0n, length: 4n, key: 0, exclusive: true, failImmediately: false };
  const order: string[] = [];
  spawnIo(k, function* (kernel) {
    const handle = yield* opened(kernel, F);
    yield* NtLockFile(kernel, handle, lock);
    spawnIo(k, function* (inner) {
      const second = yield* opened(inner, F);
      order.push("asks");
      const result = yield* NtLockFile(inner, second, lock);
      order.push(`granted ${String(result.status)}`);
    });
    yield* NtWaitForSingleObject(kernel, yield* neverSignaled(kernel), false, 1000);
    order.push("releases");
    yield* NtUnlockFile(kernel, handle, lock);
  });
  run(k);
  expect(order).toEqual(["asks", "releases", "granted 0"]);
});

it("the bytes behind a handle have an identity that changes with them", () => {
  const k = ioKernel();
  const [before, same, after, whole] = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, F);
    yield* writeText(kernel, handle, "MZ");
    const file = valueOf(ObReferenceObjectByHandle<FileObject>(kernel, handle, 0, null, 0));
    const other = valueOf(ObReferenceObjectByHandle<FileObject>(kernel, yield* opened(kernel, F), 0, null, 0));
    const identities = [IoGetFileBytes(file)?.identity, IoGetFileBytes(other)?.identity];
    yield* writeText(kernel, handle, "!");
    return [...identities, IoGetFileBytes(file)?.identity, text(IoReadWholeFile(file))];
  });
  expect(before).toBe(same);
  expect(after).not.toBe(before);
  expect(whole).toBe("MZ!");
});

function* neverSignaled(k: Kernel): Blocking<number> {
  return valueOf(yield* NtCreateEvent(k, 0x1f0003, null, "notification", false)).handle;
}
