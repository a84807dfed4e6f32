import { expect, it } from "vitest";
import { NtClose } from "../../../src/ob/close.ts";
import { IoAddFiles, IoMakeDirectory } from "../../../src/io/init.ts";
import { NtDeleteFile } from "../../../src/io/createfile.ts";
import { NtQueryAttributesFile } from "../../../src/io/fileinfo.ts";
import {
  ALL,
  bytes,
  create,
  inThread,
  ioKernel,
  opened,
  READ,
  readText,
  refusal,
  SYNC,
  WRITE,
  writeText,
} from "./support.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";

const SUPERSEDE = 0;
const OPEN = 1;
const CREATE = 2;
const OPEN_IF = 3;
const OVERWRITE = 4;
const OVERWRITE_IF = 5;
const DIRECTORY = 1;
const NON_DIRECTORY = 0x40;
const DELETE_ON_CLOSE = 0x1000;
const OBJECT_NAME_NOT_FOUND = 0xc0000034;
const OBJECT_NAME_COLLISION = 0xc0000035;
const OBJECT_NAME_INVALID = 0xc0000033;
const OBJECT_PATH_NOT_FOUND = 0xc000003a;
const OBJECT_PATH_SYNTAX_BAD = 0xc000003b;
const SHARING_VIOLATION = 0xc0000043;
const ACCESS_DENIED = 0xc0000022;
const DELETE_PENDING = 0xc0000056;
const INVALID_PARAMETER = 0xc000000d;

it.each([
  ["supersede", SUPERSEDE, 0],
  ["open", OPEN, 1],
  ["create", CREATE, -1],
  ["open-if", OPEN_IF, 1],
  ["overwrite", OVERWRITE, 3],
  ["overwrite-if", OVERWRITE_IF, 3],
])("the disposition %s answers as Windows for a file that is there", (_name, disposition, information) => {
  const answer = inThread(ioKernel(), function* (k) {
    const first = yield* opened(k, "\\??\\C:\\f.txt");
    yield* writeText(k, first, "old");
    yield* NtClose(k, first);
    const result = yield* create(k, "\\??\\C:\\f.txt", { disposition });
    if (!result.ok) return { information: -1, length: 3, status: result.status };
    const content = yield* readText(k, result.value.handle, 10);
    return { information: result.value.information, length: content.length, status: 0 };
  });
  const keeps = disposition === OPEN || disposition === OPEN_IF || disposition === CREATE;
  expect(answer).toEqual({
    information,
    length: keeps ? 3 : 0,
    status: disposition === CREATE ? OBJECT_NAME_COLLISION : 0,
  });
});

it.each([
  ["supersede", SUPERSEDE, 2],
  ["open", OPEN, -1],
  ["create", CREATE, 2],
  ["open-if", OPEN_IF, 2],
  ["overwrite", OVERWRITE, -1],
  ["overwrite-if", OVERWRITE_IF, 2],
])("the disposition %s answers as Windows for a file that is not there", (_name, disposition, information) => {
  const result = inThread(ioKernel(), (k) => create(k, "\\??\\C:\\f.txt", { disposition }));
  if (information === -1) expect(statusOf(result)).toBe(OBJECT_NAME_NOT_FOUND);
  else expect(valueOf(result).information).toBe(information);
});

it.each([
  ["\\??\\C:\\none\\f.txt", OBJECT_PATH_NOT_FOUND],
  ["\\??\\C:\\file\\f.txt", OBJECT_PATH_NOT_FOUND],
  ["\\??\\Q:\\f.txt", OBJECT_PATH_NOT_FOUND],
  ["\\??\\Q:", OBJECT_NAME_NOT_FOUND],
  ["\\??\\C:\\a\\..\\file", OBJECT_NAME_INVALID],
  ["\\??\\C:\\..", OBJECT_NAME_INVALID],
  ["\\??\\C:\\.", OBJECT_NAME_INVALID],
  ["\\??\\C:\\file:stream", OBJECT_NAME_INVALID],
  ["\\??\\C:\\fi*e", OBJECT_NAME_INVALID],
  ["\\??\\C:\\a/b", OBJECT_NAME_INVALID],
  ["\\??\\C:\\\\file", OBJECT_NAME_INVALID],
  ["\\??\\C:\\file\\", OBJECT_NAME_INVALID],
  [`\\??\\C:\\${"x".repeat(256)}`, OBJECT_NAME_INVALID],
  ["C:\\file", OBJECT_PATH_SYNTAX_BAD],
  ["\\??\\UNC\\server\\share\\f", 0xc00000be],
  ["\\??\\PIPE\\p", 0xc0000002],
  ["\\Device\\ConDrv\\Connect", OBJECT_PATH_NOT_FOUND],
])("opening %s is refused as Windows refuses it", (name, status) => {
  const k = ioKernel();
  IoAddFiles(k, k.volume, "\\", [["file", bytes("x")]]);
  IoMakeDirectory(k, k.volume, "\\a");
  expect(inThread(k, (kernel) => refusal(kernel, name, { access: READ, disposition: OPEN }))).toBe(status);
});

it("names ignore case, and the first spelling is kept", () => {
  const found = inThread(ioKernel(), function* (k) {
    yield* NtClose(k, yield* opened(k, "\\??\\C:\\ReadMe.TXT"));
    return yield* refusal(k, "\\??\\c:\\README.txt", { disposition: OPEN });
  });
  expect(found).toBe(0);
});

it("a file is found by DosDevices, by its device and below SystemRoot", () => {
  const k = ioKernel();
  IoAddFiles(k, k.volume, "\\windows\\system32", [["a.dll", bytes("x")]]);
  const tail = "\\windows\\system32\\a.dll";
  const names = [`\\DosDevices\\C:${tail}`, `\\Device\\HarddiskVolume1${tail}`, "\\SystemRoot\\system32\\a.dll"];
  for (const name of names) {
    expect(inThread(k, (kernel) => refusal(kernel, name, { access: READ, disposition: OPEN }))).toBe(0);
  }
});

it("a relative name begins at the directory of its root handle", () => {
  const content = inThread(ioKernel(), function* (k) {
    const root = yield* opened(k, "\\??\\C:\\dir", { disposition: CREATE, options: SYNC | DIRECTORY });
    yield* writeText(k, yield* opened(k, "inner.txt", { root }), "inside");
    return yield* readText(k, yield* opened(k, "\\??\\C:\\dir\\inner.txt"), 10);
  });
  expect(content).toBe("inside");
});

it("a reader that shares nothing keeps a second reader out", () => {
  const status = inThread(ioKernel(), function* (k) {
    yield* opened(k, "\\??\\C:\\f", { access: READ, share: 0 });
    return yield* refusal(k, "\\??\\C:\\f", { access: READ });
  });
  expect(status).toBe(SHARING_VIOLATION);
});

it("the last handle of an open gives its share back", () => {
  const status = inThread(ioKernel(), function* (k) {
    yield* NtClose(k, yield* opened(k, "\\??\\C:\\f", { access: READ, share: 0 }));
    return yield* refusal(k, "\\??\\C:\\f", { access: WRITE, share: 0 });
  });
  expect(status).toBe(0);
});

it("an open for attributes takes no part in sharing", () => {
  const status = inThread(ioKernel(), function* (k) {
    yield* opened(k, "\\??\\C:\\f", { share: 0 });
    return yield* refusal(k, "\\??\\C:\\f", { access: 0x100080 });
  });
  expect(status).toBe(0);
});

it("a file with a pending delete cannot be opened, and goes with its last handle", () => {
  const statuses = inThread(ioKernel(), function* (k) {
    const first = yield* opened(k, "\\??\\C:\\f");
    const second = yield* opened(k, "\\??\\C:\\f", { options: SYNC | DELETE_ON_CLOSE });
    yield* NtClose(k, second);
    const pending = yield* refusal(k, "\\??\\C:\\f", { disposition: OPEN });
    yield* NtClose(k, first);
    return [pending, yield* refusal(k, "\\??\\C:\\f", { disposition: OPEN })];
  });
  expect(statuses).toEqual([DELETE_PENDING, OBJECT_NAME_NOT_FOUND]);
});

it("a directory is no file and a file no directory", () => {
  const statuses = inThread(ioKernel(), function* (k) {
    yield* opened(k, "\\??\\C:\\d", { disposition: CREATE, options: SYNC | DIRECTORY });
    yield* opened(k, "\\??\\C:\\f");
    return [
      yield* refusal(k, "\\??\\C:\\d", { disposition: OPEN, options: SYNC | NON_DIRECTORY }),
      yield* refusal(k, "\\??\\C:\\f", { disposition: OPEN, options: SYNC | DIRECTORY }),
      yield* refusal(k, "\\??\\C:\\d", { disposition: OVERWRITE_IF }),
    ];
  });
  expect(statuses).toEqual([0xc00000ba, 0xc0000103, OBJECT_NAME_COLLISION]);
});

it.each([
  ["both kinds of synchronous I/O", { options: 0x30 }],
  ["synchronous I/O without the right to wait", { access: ALL & ~0x100000 }],
  ["delete-on-close without the right to delete", { access: READ, options: SYNC | DELETE_ON_CLOSE }],
  ["a directory that is no directory", { options: SYNC | DIRECTORY | NON_DIRECTORY }],
  ["overwriting a directory", { options: SYNC | DIRECTORY, disposition: OVERWRITE }],
  ["a disposition that does not exist", { disposition: 6 }],
  ["a share mode that does not exist", { share: 8 }],
])("%s is an invalid parameter", (_name, how) => {
  expect(inThread(ioKernel(), (k) => refusal(k, "\\??\\C:\\f", how))).toBe(INVALID_PARAMETER);
});

it("system files can be read, and neither written, overwritten nor deleted", () => {
  const k = ioKernel();
  IoAddFiles(k, k.volume, "\\windows\\system32", [["ntdll.dll", bytes("MZ")]]);
  const name = "\\SystemRoot\\system32\\ntdll.dll";
  const statuses = inThread(k, function* (kernel) {
    return [
      yield* refusal(kernel, name, { access: READ }),
      yield* refusal(kernel, name, { access: WRITE }),
      yield* refusal(kernel, name, { access: READ, disposition: OVERWRITE }),
      yield* refusal(kernel, name, { access: READ | 0x10000 }),
    ];
  });
  expect(statuses).toEqual([0, ACCESS_DENIED, ACCESS_DENIED, ACCESS_DENIED]);
});

it("the quota of files bounds what a guest can create", () => {
  const k = ioKernel({ io: { volumeFiles: 2 } });
  const statuses = inThread(k, function* (kernel) {
    return [
      yield* refusal(kernel, "\\??\\C:\\1"),
      yield* refusal(kernel, "\\??\\C:\\2"),
      yield* refusal(kernel, "\\??\\C:\\3"),
    ];
  });
  expect(statuses).toEqual([0, 0, 0xc000007f]);
});

it("deleting gives back the quota of files and bytes", () => {
  const k = ioKernel();
  inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, "\\??\\C:\\f");
    yield* writeText(kernel, handle, "some bytes");
    yield* NtClose(kernel, handle);
    return yield* NtDeleteFile(kernel, { rootDirectory: 0, name: "\\??\\C:\\f", attributes: 0 });
  });
  expect([k.volume.nodes, k.volume.bytesUsed]).toEqual([0, 0]);
});

it("a directory with entries is not deleted", () => {
  const status = inThread(ioKernel(), function* (k) {
    yield* opened(k, "\\??\\C:\\d", { disposition: CREATE, options: SYNC | DIRECTORY });
    yield* NtClose(k, yield* opened(k, "\\??\\C:\\d\\f"));
    return yield* NtDeleteFile(k, { rootDirectory: 0, name: "\\??\\C:\\d", attributes: 0 });
  });
  expect(status).toBe(0xc0000101);
});

it("opening and closing leaves no object behind", () => {
  const k = ioKernel();
  const before = k.ob.live.size;
  inThread(k, function* (kernel) {
    yield* NtClose(kernel, yield* opened(kernel, "\\??\\C:\\f"));
    yield* refusal(kernel, "\\??\\C:\\f", { disposition: CREATE });
    yield* NtQueryAttributesFile(kernel, { rootDirectory: 0, name: "\\??\\C:\\f", attributes: 0 });
  });
  const files = [...k.ob.live].filter((header) => header.type === k.io.fileType);
  expect([files.length, k.ob.live.size - before]).toEqual([0, 1]);
});
