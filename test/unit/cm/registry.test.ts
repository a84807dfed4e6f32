import { expect, it } from "vitest";
import {
  NtCreateKey,
  NtDeleteKey,
  NtDeleteValueKey,
  NtEnumerateKey,
  NtEnumerateValueKey,
  NtNotifyChangeKey,
  NtOpenKeyEx,
  NtQueryKey,
  NtQueryValueKey,
  NtSetValueKey,
  type RegistryQueryResult,
} from "../../../src/cm/service.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { type NtResult } from "../../../src/abi/status.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { bytes, inThread, ioKernel, text } from "../io/support.ts";

const SOFTWARE = "\\Registry\\Machine\\Software";
const ALL = 0xf003f;
const NOT_FOUND = 0xc0000034;

function* make(
  k: Kernel,
  name: string,
  how: {
    readonly root?: number;
    readonly createOptions?: number;
    readonly className?: string;
    readonly access?: number;
  } = {},
): Blocking<NtResult<{ handle: number; disposition: number }>> {
  const attributes = { rootDirectory: how.root ?? 0, name, attributes: 0 };
  const options = { className: how.className ?? "", createOptions: how.createOptions ?? 0 };
  return yield* NtCreateKey(k, how.access ?? ALL, attributes, options);
}

function* made(k: Kernel, name: string, root = 0): Blocking<number> {
  return valueOf(yield* make(k, name, { root })).handle;
}

function* open(k: Kernel, name: string, access = ALL): Blocking<NtResult<number>> {
  return yield* NtOpenKeyEx(k, access, { rootDirectory: 0, name, attributes: 0 });
}

function names(result: NtResult<RegistryQueryResult>, nameAt: number): string | number {
  if (!result.ok) return result.status;
  return new TextDecoder("utf-16le").decode(result.value.bytes.subarray(nameAt));
}

it("a key is created once, opened again, and found whatever the case", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const first = valueOf(yield* make(k, `${SOFTWARE}\\Rundown`));
    const again = valueOf(yield* make(k, `${SOFTWARE.toUpperCase()}\\RUNDOWN`));
    return [first.disposition, again.disposition, (yield* open(k, `${SOFTWARE}\\rundown\\`)).ok];
  });
  expect(answers).toEqual([1, 2, true]);
});

it("only the last component of a path is created", () => {
  const status = inThread(ioKernel(), function* (k) {
    return statusOf(yield* make(k, `${SOFTWARE}\\none\\key`));
  });
  expect(status).toBe(NOT_FOUND);
});

it("a relative name begins at its root handle", () => {
  const found = inThread(ioKernel(), function* (k) {
    const root = yield* made(k, `${SOFTWARE}\\A`);
    yield* made(k, "B", root);
    return (yield* open(k, `${SOFTWARE}\\A\\B`)).ok;
  });
  expect(found).toBe(true);
});

it.each([
  ["\\Registry\\Machine\\None", NOT_FOUND],
  ["\\Registry\\Machine\\\\Software", 0xc0000033],
  [`${SOFTWARE}\\${"k".repeat(256)}`, 0xc000000d],
])("opening %s is refused", (name, status) => {
  expect(inThread(ioKernel(), (k) => open(k, name))).toEqual({ ok: false, status });
});

it("a value is set, read in full or in part, and deleted", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const key = yield* made(k, `${SOFTWARE}\\V`);
    yield* NtSetValueKey(k, key, { name: "Name", type: 3, data: bytes("data") });
    const partial = valueOf(yield* NtQueryValueKey(k, key, "NAME", { informationClass: 2, length: 64 }));
    const cut = valueOf(yield* NtQueryValueKey(k, key, "name", { informationClass: 2, length: 14 }));
    const small = valueOf(yield* NtQueryValueKey(k, key, "name", { informationClass: 2, length: 11 }));
    yield* NtDeleteValueKey(k, key, "nAME");
    return [
      [partial.status, text(partial.bytes.subarray(12)), partial.resultLength],
      [cut.status, text(cut.bytes.subarray(12)), cut.resultLength],
      [small.status, small.bytes.length, small.resultLength],
      statusOf(yield* NtQueryValueKey(k, key, "name", { informationClass: 2, length: 64 })),
      yield* NtDeleteValueKey(k, key, "name"),
    ];
  });
  expect(answers).toEqual([[0, "data", 16], [0x80000005, "da", 16], [0xc0000023, 0, 16], NOT_FOUND, NOT_FOUND]);
});

it("a full value has its data behind its name, aligned", () => {
  const value = inThread(ioKernel(), function* (k) {
    const key = yield* made(k, `${SOFTWARE}\\V`);
    yield* NtSetValueKey(k, key, { name: "abc", type: 1, data: bytes("xy") });
    return valueOf(yield* NtQueryValueKey(k, key, "abc", { informationClass: 1, length: 64 })).bytes;
  });
  const view = new DataView(value.buffer);
  expect([
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint32(12, true),
    text(value.subarray(28)),
  ]).toEqual([1, 28, 2, "xy"]);
});

it("subkeys are enumerated by name and values by age", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const key = yield* made(k, `${SOFTWARE}\\E`);
    for (const name of ["b", "C", "a"]) {
      yield* made(k, name, key);
      yield* NtSetValueKey(k, key, { name, type: 1, data: bytes("") });
    }
    const found: (string | number)[] = [];
    for (const index of [0, 1, 2, 3]) {
      found.push(names(yield* NtEnumerateKey(k, key, index, { informationClass: 0, length: 64 }), 16));
      found.push(names(yield* NtEnumerateValueKey(k, key, index, { informationClass: 0, length: 64 }), 12));
    }
    return found;
  });
  expect(answers).toEqual(["a", "b", "b", "C", "C", "a", 0x8000001a, 0x8000001a]);
});

it("a key knows its path, its class and its counts", () => {
  const [name, full] = inThread(ioKernel(), function* (k) {
    const { handle } = valueOf(yield* make(k, `${SOFTWARE}\\Q`, { className: "cls" }));
    yield* made(k, "child", handle);
    yield* NtSetValueKey(k, handle, { name: "value", type: 4, data: bytes("1234") });
    return [
      yield* NtQueryKey(k, handle, { informationClass: 3, length: 512 }),
      yield* NtQueryKey(k, handle, { informationClass: 2, length: 512 }),
    ] as const;
  });
  expect(names(name, 4)).toBe("\\REGISTRY\\MACHINE\\Software\\Q");
  const content = valueOf(full).bytes;
  const view = new DataView(content.buffer);
  const words = [12, 16, 20, 24, 28, 32, 36, 40].map((at) => view.getUint32(at, true));
  expect([words, names(full, 44)]).toEqual([[44, 6, 1, 10, 0, 1, 10, 4], "cls"]);
});

it("a key with subkeys is not deleted, and a deleted one answers nothing", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const key = yield* made(k, `${SOFTWARE}\\D`);
    const child = yield* made(k, "child", key);
    const refused = yield* NtDeleteKey(k, key);
    yield* NtDeleteKey(k, child);
    const dead = [
      yield* NtSetValueKey(k, child, { name: "", type: 1, data: bytes("") }),
      statusOf(yield* make(k, "x", { root: child })),
    ];
    return [refused, dead, yield* NtDeleteKey(k, key), statusOf(yield* open(k, `${SOFTWARE}\\D`))];
  });
  expect(answers).toEqual([0xc0000121, [0xc000017c, 0xc000017c], 0, NOT_FOUND]);
});

it("a lasting key is not created below a volatile one", () => {
  const status = inThread(ioKernel(), function* (k) {
    const { handle } = valueOf(yield* make(k, `${SOFTWARE}\\Vol`, { createOptions: 1 }));
    return [
      statusOf(yield* make(k, "x", { root: handle })),
      (yield* make(k, "x", { root: handle, createOptions: 1 })).ok,
    ];
  });
  expect(status).toEqual([0xc0000181, true]);
});

it("rights are enforced", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const reader = valueOf(yield* open(k, SOFTWARE, 0x20019));
    return [yield* NtSetValueKey(k, reader, { name: "x", type: 1, data: bytes("") }), yield* NtDeleteKey(k, reader)];
  });
  expect(answers).toEqual([0xc0000022, 0xc0000022]);
});

it("the quota of bytes is enforced, and what is deleted is given back", () => {
  const k = ioKernel({ cm: { bytes: 16_384 } });
  const answers = inThread(k, function* (kernel) {
    const key = yield* made(kernel, `${SOFTWARE}\\Quota`);
    const before = [kernel.cm.keyCount, kernel.cm.byteCount];
    const big = yield* NtSetValueKey(kernel, key, { name: "big", type: 3, data: new Uint8Array(16_384) });
    yield* NtSetValueKey(kernel, key, { name: "small", type: 3, data: new Uint8Array(100) });
    const child = yield* made(kernel, "child", key);
    yield* NtSetValueKey(kernel, child, { name: "small", type: 3, data: new Uint8Array(100) });
    yield* NtDeleteValueKey(kernel, key, "small");
    yield* NtDeleteKey(kernel, child);
    return [big, before, [kernel.cm.keyCount, kernel.cm.byteCount]];
  });
  expect(answers[0]).toBe(0xc000009a);
  expect(answers[2]).toEqual(answers[1]);
});

it("the quota of keys is enforced", () => {
  const k = ioKernel({ cm: { keys: 90 } });
  const statuses = inThread(k, function* (kernel) {
    const key = yield* made(kernel, `${SOFTWARE}\\Quota`);
    const found = new Set<number>();
    for (let index = 0; index < 100; index++) {
      const result = yield* make(kernel, String(index), { root: key });
      found.add(result.ok ? 0 : result.status);
    }
    return [...found];
  });
  expect([statuses, k.cm.keyCount]).toEqual([[0, 0xc000009a], 90]);
});

it("keys that programs expect are there, and notification says that it is not", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const nls = valueOf(yield* open(k, "\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Nls\\Codepage"));
    const acp = yield* NtQueryValueKey(k, nls, "ACP", { informationClass: 2, length: 64 });
    return [names(acp, 12), yield* NtNotifyChangeKey(k, nls)];
  });
  expect(answers).toEqual(["1252\0", 0xc0000002]);
});
