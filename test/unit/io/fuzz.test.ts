import fc from "fast-check";
import { expect, it } from "vitest";
import { IoAddFiles, IoMakeDirectory } from "../../../src/io/init.ts";
import { NtDeleteFile } from "../../../src/io/createfile.ts";
import { NtFsControlFile, NtLockFile, NtUnlockFile } from "../../../src/io/control.ts";
import { NtQueryInformationFile } from "../../../src/io/fileinfo.ts";
import { NameTable } from "../../../src/io/nametable.ts";
import { NtReadFile, NtWriteFile } from "../../../src/io/readwrite.ts";
import { NtQueryDirectoryFile } from "../../../src/io/scan.ts";
import { NtSetInformationFile } from "../../../src/io/setinfo.ts";
import { NtQueryVolumeInformationFile } from "../../../src/io/volumeinfo.ts";
import type { FsNode } from "../../../src/io/node.ts";
import { FsDirectory } from "../../../src/io/node.ts";
import { NtClose } from "../../../src/ob/close.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { bytes, create, inThread, ioKernel, type IoTestKernel } from "./support.ts";

/** Mostly what works, so that a sequence gets somewhere, and sometimes what must not. */
function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight: 9 }, { arbitrary: odd, weight: 1 });
}

const names = mostly(
  fc.constantFrom("\\??\\C:\\a", "\\??\\C:\\d", "\\??\\C:\\d\\e", "\\??\\C:\\d\\F", "\\??\\C:\\d\\f\\g"),
  fc.constantFrom(
    "\\??\\C:\\sys\\dll",
    "\\??\\C:\\",
    "\\??\\C:",
    "\\??\\NUL",
    "b",
    "",
    "\\??\\C:\\d\\..\\..\\x",
    "\\Device\\HarddiskVolume1\\d\\",
  ),
);
const word = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 9, 18, 20, 37), fc.nat());
const bits = fc.integer({ min: 0, max: 0x1f01ff });
const anyOffset = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const offset = mostly(fc.bigInt({ min: -2n, max: 40n }), anyOffset);
/** Index of an open handle. */
const which = fc.nat({ max: 5 });

const step = fc.oneof(
  fc.record({
    act: fc.constant("create" as const),
    name: names,
    access: mostly(fc.constant(0x1f01ff), bits),
    share: mostly(fc.constant(7), fc.nat({ max: 7 })),
    disposition: mostly(fc.constantFrom(2, 3, 3, 3), fc.nat({ max: 6 })),
    options: mostly(fc.constantFrom(0x20, 0x20, 0x21, 0x1020, 0, 0x60), bits),
    root: mostly(fc.constant(99), which),
    attributes: mostly(fc.constant(0), fc.constantFrom(1, 2, 0x20, 0x80, 0x7fb7)),
  }),
  fc.record({ act: fc.constant("close" as const), handle: which }),
  fc.record({ act: fc.constant("delete" as const), name: names }),
  fc.record({
    act: fc.constant("use" as const),
    use: fc.constantFrom("read", "write", "set", "lock", "query"),
    handle: which,
    name: names,
    number: word,
    kind: fc.nat({ max: 8 }),
    offset,
  }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function* perform(k: Kernel, handles: number[], each: Step): Blocking<void> {
  if (each.act === "create") {
    const result = yield* create(k, each.name, { ...each, root: handles[each.root] ?? 0 });
    if (result.ok) handles.push(result.value.handle);
    return;
  }
  if (each.act === "delete") {
    yield* NtDeleteFile(k, { rootDirectory: 0, name: each.name, attributes: 0 });
    return;
  }
  const handle = handles[each.handle % Math.max(1, handles.length)] ?? 0x1234;
  if (each.act === "close") {
    yield* NtClose(k, handle);
    return;
  }
  const { offset: at, number, kind, name } = each;
  switch (each.use) {
    case "read":
      yield* NtReadFile(k, handle, { length: number, byteOffset: at });
      return;
    case "write":
      yield* NtWriteFile(k, handle, { bytes: bytes("twenty bytes of data"), byteOffset: at });
      return;
    case "lock": {
      const range = { start: at, length: BigInt(number), key: 0 };
      if (kind > 3) yield* NtUnlockFile(k, handle, range);
      else yield* NtLockFile(k, handle, { ...range, exclusive: kind > 1, failImmediately: true });
      return;
    }
    case "query": {
      yield* NtQueryInformationFile(k, handle, number, 200);
      yield* NtQueryVolumeInformationFile(k, handle, number, 200);
      yield* NtFsControlFile(k, handle, { code: number, input: bytes(""), outputLength: 64 });
      const listing = { informationClass: number, length: 200, singleEntry: kind > 4, restart: kind > 6, pattern: "*" };
      yield* NtQueryDirectoryFile(k, handle, listing);
      return;
    }
    default:
      yield* change(k, handle, { kind, name, number, at });
  }
}

function* change(
  k: Kernel,
  handle: number,
  { kind, name, number, at }: { kind: number; name: string; number: number; at: bigint },
): Blocking<void> {
  const times = { creation: at, lastAccess: 0n, lastWrite: 0n, change: 0n };
  if (kind < 2) yield* NtSetInformationFile(k, handle, { kind: "basic", ...times, attributes: number });
  else if (kind < 4) yield* NtSetInformationFile(k, handle, { kind: "end-of-file", length: at });
  else if (kind < 5) yield* NtSetInformationFile(k, handle, { kind: "position", offset: at });
  else if (kind < 7) yield* NtSetInformationFile(k, handle, { kind: "disposition", delete: kind === 5 });
  else yield* NtSetInformationFile(k, handle, { kind: "rename", name, rootDirectory: 0, replace: kind === 8 });
}

/** What a walk over the tree finds: nodes, and bytes that count. */
function audit(k: IoTestKernel): { nodes: number; memory: number; open: number } {
  const totals = { nodes: 0, memory: 0, open: 0 };
  const visit = (node: FsNode): void => {
    totals.open += node.openCount;
    if (node !== k.volume.root) totals.nodes++;
    totals.memory += "memoryBytes" in node && typeof node.memoryBytes === "number" ? node.memoryBytes : 0;
    if (node instanceof FsDirectory) node.list().forEach(visit);
  };
  visit(k.volume.root);
  return totals;
}

it("whatever a guest does with files, the machine stands and its accounts are right", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: "max" }), (steps) => {
      const k = ioKernel({ io: { volumeBytes: 4096, volumeFiles: 6 } });
      IoAddFiles(k, k.volume, "\\sys", [["dll", bytes("MZ")]]);
      IoMakeDirectory(k, k.volume, "\\d");
      inThread(k, function* (kernel) {
        const handles: number[] = [];
        for (const each of steps) yield* perform(kernel, handles, each);
        for (const handle of new Set(handles)) yield* NtClose(kernel, handle);
      });
      expect(audit(k)).toEqual({ nodes: k.volume.nodes, memory: k.volume.bytesUsed, open: 0 });
      expect([...k.ob.live].filter((header) => header.type === k.io.fileType)).toEqual([]);
      expect(k.ex.pool.tags.get("Irp ")?.bytes ?? 0).toBe(0);
      expect(k.ex.pool.tags.get("FLck")?.bytes ?? 0).toBe(0);
    }),
    { numRuns: 300 },
  );
});

it("a table of names keeps its order, whatever comes and goes", () => {
  const commands = fc.array(fc.tuple(fc.constantFrom("a", "b", "B", "ä", "z", ""), fc.boolean(), fc.boolean()));
  fc.assert(
    fc.property(commands, (list) => {
      const table = new NameTable<string>();
      const model = new Set<string>();
      for (const [key, add, look] of list) {
        if (add) table.set(key, key);
        else expect(table.delete(key)).toBe(model.has(key));
        if (add) model.add(key);
        else model.delete(key);
        if (look) expect(table.list()).toEqual([...model].sort());
      }
      expect([table.size, table.at(0)]).toEqual([model.size, [...model].sort()[0] ?? null]);
    }),
  );
});
