import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileMap } from "../../../apps/cli/filemap.ts";
import { guestEnvironment } from "../../../apps/cli/guestenvironment.ts";
import type { Program } from "../../../apps/cli/program.ts";
import { chooseUserMode } from "../../../apps/cli/usermode.ts";
import { wantsColor } from "../../../apps/cli/terminal.ts";

const options = { userMode: "auto", windowsDirectory: undefined, setup: false, quiet: true } as const;
const program = (native: boolean): Program => ({ name: "a.exe", path: "a.exe", bytes: new Uint8Array(), native });

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rundown-mode-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the user mode of a program", () => {
  it("is the built-in one if it imports only ntdll", async () => {
    expect(await chooseUserMode(options, program(true), {})).toBe("builtin");
  });

  it("cannot be the built-in one if it imports more", async () => {
    const chosen = chooseUserMode({ ...options, userMode: "builtin" }, program(false), {});
    await expect(chosen).rejects.toMatchObject({ status: 126 });
  });

  it("names what to do if the Windows DLLs are missing and may not be fetched", async () => {
    const chosen = chooseUserMode(options, program(false), { RUNDOWN_CACHE_DIR: folder });
    await expect(chosen).rejects.toMatchObject({
      status: 125,
      advice: expect.arrayContaining([expect.stringContaining("rundown setup")]) as unknown,
    });
  });

  it("is Wine's on request, even for a program that imports only ntdll", async () => {
    const chosen = chooseUserMode({ ...options, userMode: "win32", windowsDirectory: folder }, program(true), {});
    await expect(chosen).rejects.toThrow("it holds no ntdll.dll");
  });
});

describe("a folder as a map of files", () => {
  beforeEach(() => {
    for (const name of ["b.DLL", "a.dll", "readme.txt"]) writeFileSync(join(folder, name), name);
    mkdirSync(join(folder, "c.dll"));
  });
  const map = (): FileMap => new FileMap(folder, (name) => name.endsWith(".dll"));

  it("has the wanted files under lower-case names, in order", () => {
    expect([...map().keys()]).toEqual(["a.dll", "b.dll"]);
  });

  it("reads a file when it is asked for, and once", () => {
    const files = map();
    const first = files.get("b.dll");
    expect([new TextDecoder().decode(first), files.get("b.dll") === first]).toEqual(["b.DLL", true]);
  });

  it("has no file that was not wanted", () => {
    expect([map().get("readme.txt"), map().has("readme.txt")]).toEqual([undefined, false]);
  });

  it("can be gone through like any map", () => {
    expect([...map()].map(([name, bytes]) => [name, bytes.length])).toEqual([
      ["a.dll", 5],
      ["b.dll", 5],
    ]);
  });
});

describe("the environment of a program", () => {
  it("has nothing of this machine's", () => {
    process.env["RUNDOWN_TEST_SECRET"] = "x";
    expect(guestEnvironment([], 1).has("RUNDOWN_TEST_SECRET")).toBe(false);
    delete process.env["RUNDOWN_TEST_SECRET"];
  });

  it("lets a setting replace a default in any case", () => {
    const variables = [...guestEnvironment([["Path", "D:\\"]], 1)].filter(([name]) => name.toUpperCase() === "PATH");
    expect(variables).toEqual([["Path", "D:\\"]]);
  });

  it("tells the number of processors", () => {
    expect(guestEnvironment([], 4).get("NUMBER_OF_PROCESSORS")).toBe("4");
  });

  it("is sorted by name, as Windows keeps it", () => {
    const names = [...guestEnvironment([["aaa", "1"]], 1).keys()].map((name) => name.toUpperCase());
    expect(names).toEqual([...names].sort());
  });
});

describe("colour", () => {
  it.each([
    [true, true, {}, true],
    [true, false, {}, false],
    [false, true, {}, false],
    [true, true, { NO_COLOR: "1" }, false],
    [true, true, { NO_COLOR: "" }, true],
    [true, true, { CI: "true" }, false],
    [true, true, { TERM: "dumb" }, false],
    [true, false, { FORCE_COLOR: "1" }, true],
    [false, true, { FORCE_COLOR: "1" }, false],
    [true, true, { NO_COLOR: "1", FORCE_COLOR: "1" }, false],
  ])("allowed=%j terminal=%j %j is %j", (allowed, terminal, environment, wanted) => {
    expect(wantsColor(allowed, terminal, environment)).toBe(wanted);
  });
});
