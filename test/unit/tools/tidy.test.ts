/** What tidy reports, as `file:line: message`, on small trees. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

import { treeOf } from "./tree.ts";

const TIDY = fileURLToPath(new URL("../../../tools/tidy.mjs", import.meta.url));
const OPENING = "/** A probe that exists to be checked by tidy. */\n";
const KILL = "ntoskrnl/ps/kill.c";

const { tidyTree } = (await import(TIDY)) as { tidyTree: (root: string) => string[] };
const tidy = (files: Record<string, string>): string[] => tidyTree(treeOf(files));
const inSource = (code: string): string[] => tidy({ "src/ps/a.ts": OPENING + code });
const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

test("a tidy tree prints nothing and ends with 0", () => {
  const root = treeOf({ "src/ps/a.ts": `${OPENING}export const a = 1;\n` });
  expect(execFileSync(process.execPath, [TIDY, root], { encoding: "utf8" })).toBe("");
});

test("an untidy tree prints what is wrong and ends with 1", () => {
  const { status, stdout } = spawnSync(process.execPath, [TIDY, treeOf({ "src/ps/a.ts": `${OPENING}let a = 1;\n` })]);
  expect(stdout.toString()).toBe("src/ps/a.ts:2: a module keeps no variable: all state hangs on the Kernel\n");
  expect(status).toBe(1);
});

describe("length", () => {
  test("a file of 400 lines is in order", () => {
    expect(tidy({ "tools/a.mjs": lines(400, "f();") })).toEqual([]);
  });

  test("a file of 401 lines is reported", () => {
    expect(tidy({ "tools/a.mjs": lines(401, "f();") })).toEqual([
      "tools/a.mjs:401: the file has 401 lines, more than 400",
    ]);
  });

  test("a long text that is not code is in order", () => {
    expect(tidy({ "docs/a.md": lines(500, "text") })).toEqual([]);
  });

  test("what was installed or built is not looked at", () => {
    const long = lines(401, "f();");
    expect(tidy({ "node_modules/p/a.js": long, "dist/a.js": long })).toEqual([]);
  });

  test("a function of 60 lines is in order", () => {
    expect(inSource(`export function f(): void {\n${lines(58, "  g();")}}\n`)).toEqual([]);
  });

  test.each([
    ["a function", (body: string) => `export function f(): void {\n${body}}\n`],
    ["a generator", (body: string) => `export function* f(): Blocking<void> {\n${body}}\n`],
    ["an arrow function", (body: string) => `export const f = (): void => {\n${body}};\n`],
  ])("%s of 61 lines is reported by name", (_kind, shape) => {
    expect(inSource(shape(lines(59, "  g();")))).toEqual(["src/ps/a.ts:2: the function f has 61 lines, more than 60"]);
  });

  test("a method of 61 lines is reported by name", () => {
    const method = `export class C {\n  m(): void {\n${lines(59, "    g();")}  }\n}\n`;
    expect(inSource(method)).toEqual(["src/ps/a.ts:3: the function m has 61 lines, more than 60"]);
  });

  test("the callback of describe is as long as its tests are", () => {
    const suite = `describe.each([1])("all", () => {\n${lines(80, "  test();")}});\n`;
    expect(tidy({ "test/a.test.ts": suite })).toEqual([]);
  });

  test("the callback of a test is a function like any other", () => {
    const single = `test("one", () => {\n${lines(80, "  check();")}});\n`;
    expect(tidy({ "test/a.test.ts": single })).toEqual(["test/a.test.ts:1: this function has 82 lines, more than 60"]);
  });
});

describe("how a file of src/ opens", () => {
  const MISSING = "the file does not open with a comment that says what it is for";

  test("a file without a comment is reported", () => {
    expect(tidy({ "src/ps/a.ts": "export const a = 1;\n" })).toEqual([`src/ps/a.ts:1: ${MISSING}`]);
  });

  test("a comment after the first import is not an opening", () => {
    expect(tidy({ "src/ps/a.ts": `import "./b.ts";\n${OPENING}` })).toEqual([`src/ps/a.ts:1: ${MISSING}`]);
  });

  test("a comment that only names the file's subject is not an opening", () => {
    expect(tidy({ "src/ps/a.ts": "/** Processes. */\nexport const a = 1;\n" })).toEqual([`src/ps/a.ts:1: ${MISSING}`]);
  });

  test("lines that begin with two slashes are an opening together", () => {
    expect(tidy({ "src/ps/a.ts": "// What ends a process,\n// and in which order.\nexport const a = 1;\n" })).toEqual(
      [],
    );
  });

  test("a table of src/abi may open in few words", () => {
    expect(tidy({ "src/abi/a.ts": "/** Access masks. */\nexport const a = 1;\n" })).toEqual([]);
  });

  test("a file outside src/ opens as it likes", () => {
    expect(tidy({ "apps/a.ts": "export const a = 1;\n" })).toEqual([]);
  });
});

describe("variables of a module", () => {
  const KEPT = "a module keeps no variable: all state hangs on the Kernel";

  test.each(["let n = 0;", "export let n = 0;", "var n = 0;"])("%s is reported in src/", (line) => {
    expect(inSource(`${line}\n`)).toEqual([`src/ps/a.ts:2: ${KEPT}`]);
  });

  test("a constant is in order", () => {
    expect(inSource("const n = 0;\n")).toEqual([]);
  });

  test("a variable of a routine is in order", () => {
    expect(inSource("export function f(): void {\n  let n = 0;\n  n += 1;\n}\n")).toEqual([]);
  });

  test("an application may keep a variable", () => {
    expect(tidy({ "apps/a.ts": "let n = 0;\n" })).toEqual([]);
  });
});

describe("citations", () => {
  const cited = (citation: string): string[] =>
    inSource(`/** @source ${citation} */\n`).map((line) => line.replace("src/ps/a.ts:2: ", ""));

  test.each([`${KILL}:451-921, PspExitThread`, `${KILL}:500-520, PspExitThread`, `${KILL}:1-1383`])(
    "%s is in order",
    (citation) => {
      expect(cited(citation)).toEqual([]);
    },
  );

  test("a citation inside a comment of several lines is found", () => {
    expect(inSource(`/**\n * Ends it.\n * @source ${KILL}:1-1384\n */\n`)).toEqual([
      `src/ps/a.ts:4: @source cites line 1384 of ${KILL}, which has 1383`,
    ]);
  });

  test("a file that is not in the table is reported", () => {
    expect(cited("ntoskrnl/ke/wait.c:1-2")).toEqual(["@source cites ntoskrnl/ke/wait.c, of which nothing is known"]);
  });

  test.each(["kill.c", `${KILL}:451`, `${KILL}:451-921 PspExitThread`, ""])("“%s” is not a citation", (citation) => {
    expect(cited(citation)).toEqual([
      `@source must read FILE:FIRST-LAST or FILE:FIRST-LAST, Routine; it reads “${citation}”`,
    ]);
  });

  test.each(["921-451", "0-3"])("the lines %s are not a range", (range) => {
    expect(cited(`${KILL}:${range}`)).toEqual([`@source cites lines ${range}, which is not a range`]);
  });

  test("a routine that the file lacks is reported", () => {
    expect(cited(`${KILL}:451-921, PspLeaveProcess`)).toEqual([
      "@source names PspLeaveProcess, which is not a routine of that file",
    ]);
  });

  test("lines outside the routine are reported with where it is", () => {
    expect(cited(`${KILL}:394-446, PspDeleteThread`)).toEqual([
      "@source cites 394-446, but PspDeleteThread spans 392-445",
    ]);
  });

  test("a citation from a routine's beginning that stops short of its end is reported", () => {
    expect(cited(`${KILL}:392-440, PspDeleteThread`)).toEqual([
      "@source cites 392-440, but PspDeleteThread spans 392-445",
    ]);
  });
});

describe("the table of source lines", () => {
  /** Runs tidy on an empty tree beside a listing. */
  function tidyBeside(listing: string): string[] {
    const root = treeOf({ "checkout/docs/a.md": "nothing\n" });
    const path = join(root, "shared/seed/listing.txt");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, listing);
    return tidyTree(join(root, "checkout"));
  }

  test("a routine that is elsewhere in the listing is reported", () => {
    const found = tidyBeside("title\n1 VOID\n2 NTAPI\n3 PspExitThread(IN NTSTATUS ExitStatus)\n4 {\n5 }\n");
    expect(found).toContain("tools/source-lines.json:1: PspExitThread is at 1-5, the table says 451-921");
  });

  test("a listing of another length is reported", () => {
    expect(tidyBeside("title\n1 x\n2 y\n")).toContain(
      `tools/source-lines.json:1: ${KILL} has 2 lines, the table says 1383`,
    );
  });

  test("a routine that the listing lacks is reported", () => {
    expect(tidyBeside("title\n1 x\n")).toContain(
      "tools/source-lines.json:1: PspExitThread is at nowhere, the table says 451-921",
    );
  });
});

describe("words", () => {
  const slashed = (name: string): string => `/${name}/`;

  test.each(["work", "tmp", "root"])("a path below %s of one machine is reported", (name) => {
    expect(tidy({ "docs/a.md": `see ${slashed(name)}here\n` })).toEqual([
      `docs/a.md:1: ${slashed(name)} is a path of one machine`,
    ]);
  });

  test("a directory of that name inside another is in order", () => {
    expect(tidy({ "docs/a.md": "see home/work/here and ../tmp/there\n" })).toEqual([]);
  });

  test("a host that packages come from is reported", () => {
    const host = ["https:", "", "registry.example.org", "p"].join("/");
    expect(tidy({ "package-lock.json": `{ "resolved": "${host}" }\n` })).toEqual([
      "package-lock.json:1: this names a host that packages come from",
    ]);
  });

  test("a binary file is not read as text", () => {
    expect(tidy({ "samples/a.exe": `MZ\0${slashed("work")}a.c` })).toEqual([]);
  });
});
