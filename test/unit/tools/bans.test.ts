/** What the linter bans from the kernel, from src/ and from all TypeScript, and where each ban ends. */
import { describe, expect, test } from "vitest";

import { rulesBrokenBy } from "./lint.ts";

const THROW = "rundown/no-kernel-throw";
const KERNEL_LAYERS = "abi rtl sim ke ex ob se mm io cm po lpc ps dbgk win32k nt".split(" ");

describe("no-kernel-throw", () => {
  const THROWS = 'export function f(): never { throw new Error("no"); }';
  const CATCHES = "export function f(g: () => void): boolean { try { g(); return true; } catch { return false; } }";
  const FINALLY = "export function f(g: () => void): void { try { g(); } finally { g(); } }";

  test.each(KERNEL_LAYERS)("a throw in src/%s is reported", async (layer) => {
    expect(await rulesBrokenBy(`src/${layer}/probe.ts`, THROWS)).toEqual([THROW]);
  });

  test("a catch in the kernel is reported", async () => {
    expect(await rulesBrokenBy("src/ps/probe.ts", CATCHES)).toEqual([THROW]);
  });

  test("a finally in the kernel is reported", async () => {
    expect(await rulesBrokenBy("src/ps/probe.ts", FINALLY)).toEqual([THROW]);
  });

  test("a throw outside the kernel is in order", async () => {
    expect(await rulesBrokenBy("src/machine/probe.ts", THROWS)).toEqual([]);
  });

  test("assert.ts throws its own failure", async () => {
    const code =
      "class AssertionFailure extends Error {}\nexport function f(): never { throw new AssertionFailure(); }";
    expect(await rulesBrokenBy("src/rtl/assert.ts", code)).toEqual([]);
  });

  test("assert.ts throws nothing but its own failure", async () => {
    expect(await rulesBrokenBy("src/rtl/assert.ts", THROWS)).toEqual([THROW]);
  });

  test("the run loop catches and passes on what it does not know", async () => {
    const code = "export function f(g: () => void): void { try { g(); } catch (error) { throw error as Error; } }";
    expect(await rulesBrokenBy("src/ke/run.ts", code.replace(" as Error", ""))).not.toContain(THROW);
  });

  test("the run loop throws nothing of its own", async () => {
    expect(await rulesBrokenBy("src/ke/run.ts", THROWS)).toEqual([THROW]);
  });

  test("the run loop has no finally either", async () => {
    expect(await rulesBrokenBy("src/ke/run.ts", FINALLY)).toEqual([THROW]);
  });
});

describe("src/ runs without a host", () => {
  const inSource = (code: string): Promise<string[]> => rulesBrokenBy("src/machine/probe.ts", code);

  test("Date is reported", async () => {
    expect(await inSource("export const f = (): number => Date.now();")).toEqual(["no-restricted-globals"]);
  });

  test("Promise is reported as a value", async () => {
    expect(await inSource("export const f = (): unknown => Promise.resolve(1);")).toEqual(["no-restricted-globals"]);
  });

  test("Promise is reported as a type", async () => {
    expect(await inSource("export type Later = Promise<number>;")).toEqual(["no-restricted-syntax"]);
  });

  test.each(["console", "process", "performance", "setTimeout", "fetch", "crypto"])("%s is reported", async (name) => {
    const code = `export function f(): unknown {\n  // @ts-expect-error the host's, not ours\n  return ${name} as unknown;\n}`;
    expect(await inSource(code)).toEqual(["no-restricted-globals"]);
  });

  test("Math.random is reported", async () => {
    expect(await inSource("export const f = (): number => Math.random();")).toEqual(["no-restricted-properties"]);
  });

  test("Math.random is reported when it is taken out of Math first", async () => {
    const code = "const { random } = Math;\nexport const f = (): number => random();";
    expect(await inSource(code)).toContain("no-restricted-properties");
  });

  test("the rest of Math is in order", async () => {
    expect(await inSource("export const f = (n: number): number => Math.clz32(n);")).toEqual([]);
  });

  test("an async function is reported", async () => {
    expect(await inSource("export const f = { async g(): Promise<void> {} };")).toContain("no-restricted-syntax");
  });

  test("a dynamic import is reported", async () => {
    expect(await inSource('export const f = (): unknown => import("../rtl/assert.ts");')).toEqual([
      "no-restricted-syntax",
    ]);
  });

  test.each(["let count = 0;", "export let count = 0;", "var count = 0;"])(
    "%s at the top of a module is reported",
    async (line) => {
      const code = `${line}\nexport function f(): number { count += 1; return count; }`;
      expect(await inSource(code)).toContain("no-restricted-syntax");
    },
  );

  test("a let inside a routine is in order", async () => {
    expect(await inSource("export function f(n: number): number { let sum = n; sum += 1; return sum; }")).toEqual([]);
  });

  test("a generator that does not declare its colour is reported", async () => {
    const code = "function* f() { yield* [1]; }\nexport const all: number[] = [...f()];";
    expect(await inSource(code)).toEqual(["no-restricted-syntax"]);
  });

  test("what is banned from src/ is in order in apps/", async () => {
    const code = "let last = 0;\nexport const f = (): number => (last = Date.now() + last);";
    expect(await rulesBrokenBy("apps/cli/probe.ts", code)).toEqual([]);
  });
});

describe("all TypeScript", () => {
  test.each(["src/ps/probe.ts", "apps/cli/probe.ts", "bench/probe.ts", "test/probe.ts"])(
    "an enum in %s is reported",
    async (path) => {
      expect(await rulesBrokenBy(path, "export enum Colour { Red }")).toEqual(["no-restricted-syntax"]);
    },
  );

  test("a for-in loop is reported", async () => {
    const code = "export function f(o: object): string { for (const key in o) return key; return ''; }";
    expect(await rulesBrokenBy("src/ps/probe.ts", code)).toContain("no-restricted-syntax");
  });

  test("a non-null assertion is reported in src/", async () => {
    expect(await rulesBrokenBy("src/ps/probe.ts", "export const f = (a: number[]): number => a.at(0)!;")).toEqual([
      "@typescript-eslint/no-non-null-assertion",
    ]);
  });

  test("a non-null assertion is in order in a test", async () => {
    expect(await rulesBrokenBy("test/probe.ts", "export const f = (a: number[]): number => a.at(0)!;")).toEqual([]);
  });

  test("a generator that cannot block is reported", async () => {
    const code =
      'import type { Blocking } from "../sim/blocking.ts";\nexport function* f(): Blocking<number> { return 1; }';
    expect(await rulesBrokenBy("src/ps/probe.ts", code)).toEqual(["require-yield"]);
  });

  test("bit operations are in order", async () => {
    expect(
      await rulesBrokenBy("src/ps/probe.ts", "export const f = (a: number): number => ((a << 3) ^ ~a) >>> 0;"),
    ).toEqual([]);
  });
});
