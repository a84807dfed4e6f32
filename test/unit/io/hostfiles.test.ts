import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openHostDirectory } from "../../../apps/cli/host-files.ts";
import { IoMount } from "../../../src/io/init.ts";
import { NtDeleteFile } from "../../../src/io/createfile.ts";
import { NtReadFile } from "../../../src/io/readwrite.ts";
import { NtSetInformationFile } from "../../../src/io/setinfo.ts";
import { NtClose } from "../../../src/ob/close.ts";
import {
  create,
  inThread,
  ioKernel,
  type IoTestKernel,
  opened,
  READ,
  readText,
  refusal,
  SYNC,
  WRITE,
  writeText,
} from "./support.ts";
import { valueOf } from "../../support/kernel.ts";

let root = "";
let outside = "";

beforeEach(() => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "rundown-host-")));
  root = join(base, "inside");
  outside = join(base, "outside");
  mkdirSync(join(root, "sub"), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(root, "a.txt"), "alpha");
  writeFileSync(join(root, "sub", "b.txt"), "beta");
  writeFileSync(join(outside, "secret.txt"), "secret");
});

afterEach(() => {
  rmSync(join(root, ".."), { recursive: true, force: true });
});

function mounted(readOnly = false, bytesLimit?: number): IoTestKernel {
  const k = ioKernel();
  const host = openHostDirectory(root, { readOnly });
  IoMount(k, k.volume, "\\work", bytesLimit === undefined ? { host, readOnly } : { host, readOnly, bytesLimit });
  return k;
}

it("a listing is sorted by code unit and leaves out what is neither file nor directory", () => {
  writeFileSync(join(root, "Z"), "");
  symlinkSync(join(root, "missing"), join(root, "dangling"));
  const names = openHostDirectory(root, { readOnly: true }).list("");
  expect(names?.map((entry) => [entry.name, entry.kind, entry.size])).toEqual([
    ["Z", "file", 0],
    ["a.txt", "file", 5],
    ["sub", "directory", 0],
  ]);
});

it("links that stay inside are followed, and links that leave are as good as absent", () => {
  symlinkSync(join(root, "a.txt"), join(root, "in.txt"));
  symlinkSync(join(outside, "secret.txt"), join(root, "out.txt"));
  symlinkSync(outside, join(root, "outdir"));
  const host = openHostDirectory(root, { readOnly: false });
  expect(host.list("")?.map((entry) => entry.name)).toEqual(["a.txt", "in.txt", "sub"]);
  expect(host.read("in.txt", 0, 5)).not.toBeNull();
  expect([host.read("out.txt", 0, 5), host.read("outdir/secret.txt", 0, 5), host.list("outdir")]).toEqual([
    null,
    null,
    null,
  ]);
  expect([host.write("out.txt", 0, new Uint8Array(1)), host.setLength("out.txt", 0)]).toEqual(["denied", "denied"]);
  expect([host.create("outdir/new", "file"), host.remove("outdir/secret.txt")]).toEqual(["denied", "denied"]);
  expect(host.rename("a.txt", "outdir/a.txt")).toBe("denied");
  expect(readFileSync(join(outside, "secret.txt"), "utf8")).toBe("secret");
});

it.each([
  "../outside/secret.txt",
  "..",
  "sub/../../outside/secret.txt",
  "/etc/hostname",
  "sub//b.txt",
  "./a.txt",
  "a.txt\0",
])("the path %j leads nowhere", (path) => {
  const host = openHostDirectory(root, { readOnly: false });
  expect(host.read(path, 0, 100)).toBeNull();
  expect(host.write(path, 0, new Uint8Array(1))).toBe("denied");
  expect(host.remove(path)).toBe("denied");
});

it("the mounted directory itself is not removed", () => {
  expect(openHostDirectory(root, { readOnly: false }).remove("")).toBe("denied");
});

it("a read-only directory refuses every change", () => {
  const host = openHostDirectory(root, { readOnly: true });
  const outcomes = [
    host.write("a.txt", 0, new Uint8Array(1)),
    host.setLength("a.txt", 0),
    host.create("n", "file"),
    host.remove("a.txt"),
    host.rename("a.txt", "c.txt"),
  ];
  expect(new Set(outcomes)).toEqual(new Set(["denied"]));
  expect(readFileSync(join(root, "a.txt"), "utf8")).toBe("alpha");
});

it("a guest reads, writes, creates, renames and deletes on the host", () => {
  const seen = inThread(mounted(), function* (k) {
    const a = yield* opened(k, "\\??\\C:\\WORK\\A.TXT");
    const before = yield* readText(k, a, 100);
    yield* writeText(k, a, "ALPHA!", 0n);
    yield* NtClose(k, a);
    const made = yield* opened(k, "\\??\\C:\\work\\sub\\new.txt", { disposition: 2 });
    yield* writeText(k, made, "new");
    yield* NtSetInformationFile(k, made, {
      kind: "rename",
      name: "\\??\\C:\\work\\moved.txt",
      rootDirectory: 0,
      replace: false,
    });
    yield* writeText(k, made, "er", 3n);
    yield* NtDeleteFile(k, { rootDirectory: 0, name: "\\??\\C:\\work\\sub\\b.txt", attributes: 0 });
    return before;
  });
  expect(seen).toBe("alpha");
  expect(readFileSync(join(root, "a.txt"), "utf8")).toBe("ALPHA!");
  expect(readFileSync(join(root, "moved.txt"), "utf8")).toBe("newer");
  expect(existsSync(join(root, "sub", "b.txt"))).toBe(false);
});

it("a read-only mount is write-protected media to the guest", () => {
  const statuses = inThread(mounted(true), function* (k) {
    return [
      yield* refusal(k, "\\??\\C:\\work\\a.txt", { access: READ }),
      yield* refusal(k, "\\??\\C:\\work\\a.txt", { access: WRITE }),
      yield* refusal(k, "\\??\\C:\\work\\new.txt", { disposition: 2 }),
    ];
  });
  expect(statuses).toEqual([0, 0xc00000a2, 0xc00000a2]);
});

it("a guest cannot fill the host's disk", () => {
  const statuses = inThread(mounted(false, 10), function* (k) {
    const handle = yield* opened(k, "\\??\\C:\\work\\a.txt");
    return [yield* writeText(k, handle, "0123456789", 0n), yield* writeText(k, handle, "x", 1n << 40n)];
  });
  expect(statuses).toEqual([0, 0xc000007f]);
});

it("a file that vanished from the host reads as empty", () => {
  const result = inThread(mounted(), function* (k) {
    const handle = valueOf(yield* create(k, "\\??\\C:\\work\\a.txt", { access: READ, options: SYNC })).handle;
    rmSync(join(root, "a.txt"));
    return yield* NtReadFile(k, handle, { length: 5 });
  });
  expect(result.information).toBe(0);
});
