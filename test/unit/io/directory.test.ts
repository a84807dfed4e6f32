import fc from "fast-check";
import { expect, it } from "vitest";
import { IoAddFiles, IoMakeDirectory } from "../../../src/io/init.ts";
import { isNameInExpression } from "../../../src/io/name.ts";
import { NtQueryDirectoryFile } from "../../../src/io/scan.ts";
import { NtDeleteFile } from "../../../src/io/createfile.ts";
import { NtClose } from "../../../src/ob/close.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { bytes, inThread, ioKernel, type IoTestKernel, opened, SYNC } from "./support.ts";

/** Bytes in front of the name, and where its length is, by class. */
const LAYOUTS: ReadonlyMap<number, readonly [nameAt: number, lengthAt: number]> = new Map([
  [1, [64, 60]],
  [2, [68, 60]],
  [3, [94, 60]],
  [12, [12, 8]],
  [37, [104, 60]],
  [38, [80, 60]],
]);

function parse(content: Uint8Array, informationClass: number): string[] {
  const [nameAt, lengthAt] = LAYOUTS.get(informationClass) ?? [0, 0];
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const names: string[] = [];
  for (let at = 0; ;) {
    const length = view.getUint32(at + lengthAt, true);
    names.push(new TextDecoder("utf-16le").decode(content.subarray(at + nameAt, at + nameAt + length)));
    const next = view.getUint32(at, true);
    if (next === 0) return names;
    expect(next % 8).toBe(0);
    at += next;
  }
}

interface Listing {
  readonly informationClass?: number;
  readonly length?: number;
  readonly singleEntry?: boolean;
  readonly restart?: boolean;
  readonly pattern?: string;
}

function* list(k: Kernel, handle: number, how: Listing = {}): Blocking<string[] | number> {
  const informationClass = how.informationClass ?? 3;
  const result = yield* NtQueryDirectoryFile(k, handle, {
    informationClass,
    length: how.length ?? 4096,
    singleEntry: how.singleEntry ?? false,
    restart: how.restart ?? false,
    pattern: how.pattern ?? null,
  });
  return result.ok ? parse(result.value.bytes, informationClass) : result.status;
}

function filled(): IoTestKernel {
  const k = ioKernel();
  IoAddFiles(
    k,
    k.volume,
    "\\d",
    ["b.txt", "A.txt", "noext", "c.exe.txt"].map((name) => [name, bytes(name)] as const),
  );
  IoMakeDirectory(k, k.volume, "\\d\\sub");
  return k;
}

const DIRECTORY = SYNC | 1;

it.each([...LAYOUTS.keys()])("class %i lists every name in order", (informationClass) => {
  const names = inThread(filled(), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\d", { options: DIRECTORY });
    return [yield* list(k, handle, { informationClass }), yield* list(k, handle, { informationClass })];
  });
  expect(names).toEqual([[".", "..", "A.txt", "b.txt", "c.exe.txt", "noext", "sub"], 0x80000006]);
});

it.each([
  ["*.txt", ["A.txt", "b.txt", "c.exe.txt"]],
  ["a.TXT", ["A.txt"]],
  ["?.txt", ["A.txt", "b.txt"]],
  ["<.txt", ["A.txt", "b.txt", "c.exe.txt"]],
  ["<", ["noext", "sub"]],
  ["none", 0xc000000f],
])("the pattern %s lists what it matches", (pattern, expected) => {
  const names = inThread(filled(), function* (k) {
    return yield* list(k, yield* opened(k, "\\??\\C:\\d", { options: DIRECTORY }), { pattern });
  });
  expect(Array.isArray(names) ? names.filter((name) => !name.startsWith("..") && name !== ".") : names).toEqual(
    expected,
  );
});

it("the root of a volume has neither . nor ..", () => {
  const names = inThread(filled(), function* (k) {
    return yield* list(k, yield* opened(k, "\\??\\C:\\", { options: DIRECTORY }));
  });
  expect(names).toEqual(["d"]);
});

it("single entries come one by one, and a restart begins anew", () => {
  const names = inThread(filled(), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\d", { options: DIRECTORY });
    const one = { singleEntry: true, pattern: "*.txt" };
    return [
      yield* list(k, handle, one),
      yield* list(k, handle, one),
      yield* list(k, handle, { ...one, restart: true }),
    ];
  });
  expect(names).toEqual([["A.txt"], ["b.txt"], ["A.txt"]]);
});

it("what does not fit comes with the next query", () => {
  const names = inThread(filled(), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\d", { options: DIRECTORY });
    const small = { length: 60, informationClass: 12 };
    return [yield* list(k, handle, small), yield* list(k, handle, small)];
  });
  expect(names).toEqual([
    [".", "..", "A.txt"],
    ["b.txt", "c.exe.txt"],
  ]);
});

it("a name that does not fit at all is cut, and said to be", () => {
  const result = inThread(filled(), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\d", { options: DIRECTORY });
    const args = { informationClass: 12, length: 16, singleEntry: false, restart: false, pattern: "noext" };
    return valueOf(yield* NtQueryDirectoryFile(k, handle, args));
  });
  expect([result.status, result.bytes.length]).toEqual([0x80000005, 16]);
});

it("what was deleted since the scan began is left out", () => {
  const k = ioKernel();
  const names = inThread(k, function* (kernel) {
    for (const name of ["1", "2", "3"]) yield* NtClose(kernel, yield* opened(kernel, `\\??\\C:\\${name}`));
    const handle = yield* opened(kernel, "\\??\\C:\\", { options: DIRECTORY });
    const head = yield* list(kernel, handle, { singleEntry: true });
    yield* NtDeleteFile(kernel, { rootDirectory: 0, name: "\\??\\C:\\2", attributes: 0 });
    return [head, yield* list(kernel, handle)];
  });
  expect(names).toEqual([["1"], ["3"]]);
});

it("only directories are listed", () => {
  const result = inThread(filled(), function* (k) {
    const args = { informationClass: 3, length: 512, singleEntry: false, restart: false, pattern: null };
    return yield* NtQueryDirectoryFile(k, yield* opened(k, "\\??\\C:\\f"), args);
  });
  expect(statusOf(result)).toBe(0xc000000d);
});

it.each([
  ["*.*", "noext", false],
  ['<"*', "noext", true],
  ["a>>", "a", true],
  ["a??", "a", false],
  ["<.c", "a.b.c", true],
  ["<.b", "a.b.c", false],
  ["*a*b*", "xxaxxbxx", true],
  ["", "", true],
])("the expression %s against %s", (pattern, name, expected) => {
  expect(isNameInExpression(pattern, name)).toBe(expected);
});

it("an expression of stars and question marks means what a regular expression says", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "B", "."), maxLength: 8 });
  const patterns = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(patterns, letters, (pattern, name) => {
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
      expect(isNameInExpression(pattern, name)).toBe(new RegExp(`^${source}$`, "iu").test(name));
    }),
  );
});

it("a hostile expression takes no longer than its length allows", () => {
  expect(isNameInExpression(`${"*a".repeat(120)}b`, "a".repeat(255))).toBe(false);
});
