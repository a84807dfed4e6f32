import { expect, it } from "vitest";
import {
  IoAddFiles,
  IoCreateStandardStreams,
  STANDARD_INPUT_PATH,
  STANDARD_OUTPUT_PATH,
} from "../../../src/io/init.ts";
import { NtQueryAttributesFile, NtQueryFullAttributesFile, NtQueryInformationFile } from "../../../src/io/fileinfo.ts";
import { NtFlushBuffersFile, NtReadFile } from "../../../src/io/readwrite.ts";
import { NtFsControlFile } from "../../../src/io/control.ts";
import { type FileSetting, NtSetInformationFile } from "../../../src/io/setinfo.ts";
import { NtQueryVolumeInformationFile } from "../../../src/io/volumeinfo.ts";
import { BOOT_SYSTEM_TIME } from "../../../src/ke/time.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtClose } from "../../../src/ob/close.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { bytes, inThread, ioKernel, opened, READ, readText, refusal, SYNC, text, writeText } from "./support.ts";

const F = "\\??\\C:\\dir\\file.txt";
const DIRECTORY = 1;

function view(content: Uint8Array): DataView {
  return new DataView(content.buffer, content.byteOffset, content.byteLength);
}

function utf16(content: Uint8Array): string {
  return new TextDecoder("utf-16le").decode(content);
}

/** Opens `\dir\file.txt` with eleven bytes in it. */
function* sample(k: Kernel): Blocking<number> {
  yield* NtClose(k, yield* opened(k, "\\??\\C:\\dir", { disposition: 2, options: SYNC | DIRECTORY }));
  const handle = yield* opened(k, F);
  yield* writeText(k, handle, "hello world");
  return handle;
}

function query(informationClass: number, length = 512): Uint8Array {
  return inThread(ioKernel(), function* (k) {
    return valueOf(yield* NtQueryInformationFile(k, yield* sample(k), informationClass, length)).bytes;
  });
}

it("the basic information has the times of the machine and the archive bit", () => {
  const basic = view(query(4));
  expect([basic.byteLength, basic.getBigUint64(0, true), basic.getUint32(32, true)]).toEqual([
    40,
    BOOT_SYSTEM_TIME,
    0x20,
  ]);
});

it("the standard information has size, allocation, links and kind", () => {
  const content = view(query(5));
  const fields = [content.getUint32(0, true), content.getUint32(8, true), content.getUint32(16, true)];
  expect([content.byteLength, ...fields, content.getUint8(20), content.getUint8(21)]).toEqual([24, 4096, 11, 1, 0, 0]);
});

it("the name is the path inside the volume, cut where the buffer ends", () => {
  const name = query(9);
  expect([view(name).getUint32(0, true), utf16(name.subarray(4))]).toEqual([26, "\\dir\\file.txt"]);
  const cut = inThread(ioKernel(), function* (k) {
    return valueOf(yield* NtQueryInformationFile(k, yield* sample(k), 9, 12));
  });
  expect([cut.status, utf16(cut.bytes.subarray(4))]).toEqual([0x80000005, "\\dir"]);
});

it("all information is its parts in their order", () => {
  const all = view(query(18));
  expect(all.getUint32(48, true)).toBe(11);
  expect(all.getUint32(76, true)).toBe(0x1f01ff);
  expect(all.getUint32(80, true)).toBe(11);
  expect(all.getUint32(88, true)).toBe(SYNC);
  expect(all.getUint32(96, true)).toBe(26);
});

it.each([
  ["too short a buffer", 4, 39, 0xc0000004],
  ["a class that nobody has", 99, 100, 0xc0000003],
  ["a class that can only be set", 20, 100, 0xc0000003],
])("%s is refused", (_name, informationClass, length, status) => {
  const result = inThread(ioKernel(), function* (k) {
    return yield* NtQueryInformationFile(k, yield* sample(k), informationClass, length);
  });
  expect(statusOf(result)).toBe(status);
});

it("the attributes of a file are found by name", () => {
  const [short, full, missing] = inThread(ioKernel(), function* (k) {
    yield* sample(k);
    const attributes = { rootDirectory: 0, name: F, attributes: 0 };
    return [
      yield* NtQueryAttributesFile(k, attributes),
      yield* NtQueryFullAttributesFile(k, attributes),
      yield* NtQueryAttributesFile(k, { ...attributes, name: "\\??\\C:\\none" }),
    ] as const;
  });
  expect(view(valueOf(short)).getUint32(32, true)).toBe(0x20);
  expect(view(valueOf(full)).getUint32(40, true)).toBe(11);
  expect(statusOf(missing)).toBe(0xc0000034);
});

function set(setting: FileSetting, then: (k: Kernel, handle: number) => Blocking<unknown>): unknown {
  return inThread(ioKernel(), function* (k) {
    const handle = yield* sample(k);
    const status = yield* NtSetInformationFile(k, handle, setting);
    return [status, yield* then(k, handle)];
  });
}

const NO_TIMES = { creation: 0n, lastAccess: 0n, lastWrite: 0n, change: 0n };

it("basic information changes the times that are given and leaves the others", () => {
  const setting: FileSetting = { kind: "basic", ...NO_TIMES, creation: 5n, attributes: 0x22 };
  const result = set(setting, function* (k, handle) {
    const basic = view(valueOf(yield* NtQueryInformationFile(k, handle, 4, 40)).bytes);
    return [basic.getBigUint64(0, true), basic.getBigUint64(16, true), basic.getUint32(32, true)];
  });
  expect(result).toEqual([0, [5n, BOOT_SYSTEM_TIME, 0x22]]);
});

it("a read-only file can be neither opened for writing nor deleted", () => {
  const result = set({ kind: "basic", ...NO_TIMES, attributes: 1 }, function* (k, handle) {
    return [yield* refusal(k, F), yield* NtSetInformationFile(k, handle, { kind: "disposition", delete: true })];
  });
  expect(result).toEqual([0, [0xc0000022, 0xc0000121]]);
});

it("a disposition can be taken back until the last handle is closed", () => {
  const result = set({ kind: "disposition", delete: true }, function* (k, handle) {
    const pending = yield* refusal(k, F, { disposition: 1 });
    yield* NtSetInformationFile(k, handle, { kind: "disposition", delete: false });
    return [pending, yield* refusal(k, F, { disposition: 1 })];
  });
  expect(result).toEqual([0, [0xc0000056, 0]]);
});

it.each([
  ["a bare name stays in its directory", "new.txt", "\\??\\C:\\dir\\new.txt"],
  ["a full path moves", "\\??\\C:\\moved.txt", "\\??\\C:\\moved.txt"],
  ["a new spelling is kept", "FILE.TXT", "\\??\\C:\\dir\\FILE.TXT"],
])("renaming: %s", (_name, name, path) => {
  const result = set({ kind: "rename", name, rootDirectory: 0, replace: false }, function* (k, handle) {
    const stored = valueOf(yield* NtQueryInformationFile(k, handle, 9, 512)).bytes;
    return [utf16(stored.subarray(4)), yield* refusal(k, path, { disposition: 1 })];
  });
  expect(result).toEqual([0, [path.slice("\\??\\C:".length), 0]]);
});

it.each([
  ["over a file without replacing it", "\\??\\C:\\other", false, false, 0xc0000035],
  ["over a file, replacing it", "\\??\\C:\\other", true, false, 0],
  ["over an open file, replacing it", "\\??\\C:\\other", true, true, 0xc0000022],
  ["into a directory that is missing", "\\??\\C:\\none\\x", true, false, 0xc000003a],
  ["to a name that no file has", "a*b", true, false, 0xc0000033],
])("renaming %s", (_name, name, replace, keepOpen, expected) => {
  const k = ioKernel();
  const status = inThread(k, function* (kernel) {
    const other = yield* opened(kernel, "\\??\\C:\\other");
    yield* writeText(kernel, other, "123456");
    if (!keepOpen) yield* NtClose(kernel, other);
    return yield* NtSetInformationFile(kernel, yield* sample(kernel), {
      kind: "rename",
      name,
      rootDirectory: 0,
      replace,
    });
  });
  expect([status, k.volume.bytesUsed]).toEqual([expected, expected === 0 ? 11 : 17]);
});

it("a directory is not moved into itself", () => {
  const status = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\d", { disposition: 2, options: SYNC | DIRECTORY });
    return yield* NtSetInformationFile(k, handle, {
      kind: "rename",
      name: "\\??\\C:\\d\\e",
      rootDirectory: 0,
      replace: false,
    });
  });
  expect(status).toBe(0xc000000d);
});

it("a volume says what it is and how full", () => {
  const k = ioKernel({ io: { volumeBytes: 1 << 20 } });
  const [device, size, volume, attribute] = inThread(k, function* (kernel) {
    const handle = yield* sample(kernel);
    const classes = [4, 3, 1, 5];
    const answers: Uint8Array[] = [];
    for (const each of classes)
      answers.push(valueOf(yield* NtQueryVolumeInformationFile(kernel, handle, each, 128)).bytes);
    return answers;
  });
  expect(view(device ?? new Uint8Array(0)).getUint32(0, true)).toBe(7);
  const sizes = view(size ?? new Uint8Array(0));
  expect([sizes.getUint32(0, true), sizes.getUint32(8, true)]).toEqual([256, 255]);
  expect(utf16((volume ?? new Uint8Array(0)).subarray(18, 30))).toBe("System");
  expect(utf16((attribute ?? new Uint8Array(0)).subarray(12))).toBe("NTFS");
});

function streams(outputBytes?: number) {
  const k = ioKernel(outputBytes === undefined ? {} : { io: { outputBytes } });
  const pieces = ["in", "", "put"];
  const output: string[] = [];
  IoCreateStandardStreams(k, {
    input: () => {
      const piece = pieces.shift();
      return piece === undefined ? null : bytes(piece);
    },
    output: (content) => output.push(text(content)),
    error: () => {},
  });
  return { k, output };
}

it("standard handles report themselves as pipes, and have no volume", () => {
  const answers = inThread(streams().k, function* (k) {
    const handle = yield* opened(k, STANDARD_OUTPUT_PATH);
    const device = valueOf(yield* NtQueryVolumeInformationFile(k, handle, 4, 8)).bytes;
    return [view(device).getUint32(0, true), statusOf(yield* NtQueryVolumeInformationFile(k, handle, 1, 64))];
  });
  expect(answers).toEqual([0x11, 0xc0000010]);
});

it("standard input hands out what was given, and then breaks like a pipe", () => {
  const answers = inThread(streams().k, function* (k) {
    const handle = yield* opened(k, STANDARD_INPUT_PATH, { access: READ });
    const peek = yield* NtFsControlFile(k, handle, { code: 0x11400c, input: new Uint8Array(0), outputLength: 17 });
    const parts = [yield* readText(k, handle, 1), yield* readText(k, handle, 9), yield* readText(k, handle, 9)];
    return [
      peek.status,
      [...(peek.output ?? [])].slice(-1),
      parts,
      (yield* NtReadFile(k, handle, { length: 1 })).status,
    ];
  });
  expect(answers).toEqual([0x80000005, [105], ["i", "n", "put"], 0xc000014b]);
});

it("output goes to its sink, console or not, until its limit", () => {
  const { k, output } = streams(10);
  const statuses = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, STANDARD_OUTPUT_PATH);
    const console = yield* opened(kernel, "\\??\\CONOUT$");
    return [
      yield* writeText(kernel, handle, "hello "),
      yield* writeText(kernel, console, "you"),
      (yield* NtFlushBuffersFile(kernel, handle)).status,
      yield* writeText(kernel, handle, "more than that"),
    ];
  });
  expect([statuses, output, k.io.output.exceeded]).toEqual([[0, 0, 0, 0xc0000044], ["hello ", "you"], true]);
});

it("NUL takes everything and holds nothing", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const handle = yield* opened(k, "\\??\\NUL");
    return [yield* writeText(k, handle, "gone"), (yield* NtReadFile(k, handle, { length: 1 })).status];
  });
  expect(answers).toEqual([0, 0xc0000011]);
});

it("unknown file-system controls are invalid device requests", () => {
  const k = ioKernel();
  IoAddFiles(k, k.volume, "\\", [["f", bytes("x")]]);
  const result = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, "\\??\\C:\\f", { access: READ });
    return yield* NtFsControlFile(kernel, handle, { code: 0x90240, input: new Uint8Array(0), outputLength: 0 });
  });
  expect(result.status).toBe(0xc0000010);
});
