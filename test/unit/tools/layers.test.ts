/** The layers, proven on small trees with the committed configuration of dependency-cruiser. */
import { createRequire } from "node:module";
import { cruise, type ICruiseResult, type IFlattenedRuleSet, type ICruiseOptions } from "dependency-cruiser";
import { describe, expect, test } from "vitest";

import { treeOf } from "./tree.ts";

const { forbidden, options } = createRequire(import.meta.url)("../../../.dependency-cruiser.cjs") as {
  forbidden: NonNullable<IFlattenedRuleSet["forbidden"]>;
  options: ICruiseOptions;
};
const BOTTOM = { "src/abi/a.ts": "export const a = 1;\n", "src/rtl/b.ts": "export const b = 1;\n" };

/** @returns the names of the rules that the tree breaks, each once, in alphabetical order */
async function broken(files: Record<string, string>): Promise<string[]> {
  const { tsConfig: _, ...rest } = options as ICruiseOptions & { tsConfig: unknown };
  const settings: ICruiseOptions = { ...rest, ruleSet: { forbidden }, validate: true, baseDir: treeOf(files) };
  const result = await cruise(["."], settings);
  const { violations } = (result.output as ICruiseResult).summary;
  return [...new Set(violations.map((violation) => violation.rule.name))].sort();
}

describe("the layers", () => {
  test("a layer may import an earlier one", async () => {
    expect(
      await broken({ ...BOTTOM, "src/ke/c.ts": 'import { a } from "../abi/a.ts";\nexport const c = a;\n' }),
    ).toEqual([]);
  });

  test("a layer may import itself", async () => {
    expect(await broken({ ...BOTTOM, "src/abi/c.ts": 'import { a } from "./a.ts";\nexport const c = a;\n' })).toEqual(
      [],
    );
  });

  test("a layer may not import a later one", async () => {
    const later = { ...BOTTOM, "src/abi/c.ts": 'import { b } from "../rtl/b.ts";\nexport const c = b;\n' };
    expect(await broken(later)).toEqual(["layer-abi"]);
  });

  test("a layer may not import a later one by type either", async () => {
    const byType = {
      "src/ke/a.ts": 'import type { B } from "../ps/b.ts";\nexport const a = (b: B): B => b;\n',
      "src/ps/b.ts": "export type B = number;\n",
    };
    expect(await broken(byType)).toEqual(["layer-ke"]);
  });

  test("the kernel may not import the reports", async () => {
    const files = {
      "src/ps/a.ts": 'import { r } from "../report/r.ts";\nexport const a = r;\n',
      "src/report/r.ts": "export const r = 1;\n",
    };
    expect(await broken(files)).toEqual(["layer-ps"]);
  });

  test("the machine may not import the reports", async () => {
    const files = {
      "src/machine/a.ts": 'import { r } from "../report/r.ts";\nexport const a = r;\n',
      "src/report/r.ts": "export const r = 1;\n",
    };
    expect(await broken(files)).toEqual(["layer-machine"]);
  });

  test("the processor may import abi and rtl", async () => {
    const cpu = 'import { a } from "../abi/a.ts";\nimport { b } from "../rtl/b.ts";\nexport const c = a + b;\n';
    expect(await broken({ ...BOTTOM, "src/cpu/c.ts": cpu })).toEqual([]);
  });

  test("the processor may not import the dispatcher, though it comes earlier", async () => {
    const files = {
      "src/cpu/c.ts": 'import { k } from "../ke/k.ts";\nexport const c = k;\n',
      "src/ke/k.ts": "export const k = 1;\n",
    };
    expect(await broken(files)).toEqual(["layer-cpu"]);
  });

  test("index.ts may import every layer", async () => {
    const index = 'export { a } from "./abi/a.ts";\nexport { r } from "./report/r.ts";\n';
    expect(await broken({ ...BOTTOM, "src/report/r.ts": "export const r = 1;\n", "src/index.ts": index })).toEqual([]);
  });

  test("no layer may import index.ts", async () => {
    const files = { ...BOTTOM, "src/index.ts": "export const i = 1;\n" };
    const report = 'import { i } from "../index.ts";\nexport const r = i;\n';
    expect(await broken({ ...files, "src/report/r.ts": report })).toEqual(["layer-report"]);
  });

  test("a file outside the layers may not import one", async () => {
    const stray = 'import { a } from "../abi/a.ts";\nexport const s = a;\n';
    expect(await broken({ ...BOTTOM, "src/stray/s.ts": stray })).toEqual(["known-layer"]);
  });

  test("a file outside the layers may not be imported, not even by index.ts", async () => {
    const files = { "src/stray/s.ts": "export const s = 1;\n", "src/index.ts": 'export { s } from "./stray/s.ts";\n' };
    expect(await broken(files)).toEqual(["known-layer-used"]);
  });
});

describe("src/kernel.ts", () => {
  const STATE =
    'import type { Kernel } from "../kernel.ts";\nexport interface State { readonly of: (k: Kernel) => number }\n';
  const KERNEL = 'import type { State } from "./ke/state.ts";\nexport interface Kernel { readonly ke: State }\n';

  test("a cycle of types through it is in order", async () => {
    expect(await broken({ "src/kernel.ts": KERNEL, "src/ke/state.ts": STATE })).toEqual([]);
  });

  test("a layer may not import it at run time", async () => {
    const files = {
      "src/kernel.ts": "export const kernel = 1;\n",
      "src/ke/a.ts": 'import { kernel } from "../kernel.ts";\nexport const a = kernel;\n',
    };
    expect(await broken(files)).toEqual(["kernel-by-type"]);
  });

  test("it may not import a layer at run time", async () => {
    const files = { ...BOTTOM, "src/kernel.ts": 'import { a } from "./abi/a.ts";\nexport const kernel = a;\n' };
    expect(await broken(files)).toEqual(["kernel-of-types"]);
  });
});

describe("the rest of the tree", () => {
  const two = (first: string, second: string): Record<string, string> => ({
    "src/ke/a.ts": `${first}\nexport const a = 1;\nexport type A = number;\n`,
    "src/ke/b.ts": `${second}\nexport const b = 1;\nexport type B = number;\n`,
  });

  test("two modules that import one another at run time are reported", async () => {
    expect(await broken(two('export { b } from "./b.ts";', 'export { a as c } from "./a.ts";'))).toEqual(["no-cycle"]);
  });

  test("two modules that import one another's types are in order", async () => {
    expect(await broken(two('export type { B } from "./b.ts";', 'export type { A as C } from "./a.ts";'))).toEqual([]);
  });

  test("two modules, one of which needs only the other's types, are in order", async () => {
    expect(await broken(two('export { b } from "./b.ts";', 'export type { A as C } from "./a.ts";'))).toEqual([]);
  });

  test.each(["node:fs", "fs"])("src/ may not import %s", async (name) => {
    const files = { "src/machine/a.ts": `import * as host from "${name}";\nexport const a = host;\n` };
    expect(await broken(files)).toEqual(["no-host"]);
  });

  test("src/ may not import a package", async () => {
    const files = { "src/cpu/a.ts": 'import x from "somepackage";\nexport const a = x;\n' };
    expect(await broken(files)).toEqual(["no-host", "resolvable"]);
  });

  test("src/ may not import an application", async () => {
    const files = {
      "src/machine/a.ts": 'import { m } from "../../apps/m.ts";\nexport const a = m;\n',
      "apps/m.ts": "export const m = 1;\n",
    };
    expect(await broken(files)).toEqual(["no-host"]);
  });

  test("an application may import src/ and Node", async () => {
    const app = 'import "node:fs";\nimport { a } from "../src/abi/a.ts";\nexport const m = a;\n';
    expect(await broken({ ...BOTTOM, "apps/m.ts": app })).toEqual([]);
  });

  test("an application may not import a test", async () => {
    const files = {
      "apps/m.ts": 'import { t } from "../test/t.ts";\nexport const m = t;\n',
      "test/t.ts": "export const t = 1;\n",
    };
    expect(await broken(files)).toEqual(["apps-on-src"]);
  });

  test("an import of a file that is missing is reported", async () => {
    expect(await broken({ "src/abi/a.ts": 'export { b } from "./b.ts";\n' })).toEqual(["resolvable"]);
  });
});
