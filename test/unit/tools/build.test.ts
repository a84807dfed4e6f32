/** The two bundles, and what must stop them from being made. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

import { treeOf } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const { bundleCommandLine, bundleForBrowser } = (await import(join(ROOT, "tools/build.mjs"))) as {
  bundleCommandLine: (where: { entry: string; outdir: string }) => Promise<void>;
  bundleForBrowser: (where: { entry: string; outfile: string }) => Promise<void>;
};

/** Makes the browser bundle of a tree. @returns its text */
async function browserBundle(files: Record<string, string>): Promise<string> {
  const root = treeOf(files);
  const outfile = join(root, "dist/browser/rundown.js");
  await bundleForBrowser({ entry: join(root, "src/index.ts"), outfile });
  return readFileSync(outfile, "utf8");
}

describe("the bundle for a browser", () => {
  test("what needs only the language is one module", async () => {
    const files = { "src/index.ts": 'export { a } from "./a.ts";\n', "src/a.ts": "export const a: number = 41 + 1;\n" };
    const text = await browserBundle(files);
    const loaded = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as { a: number };
    expect(loaded.a).toBe(42);
  });

  test("a module of Node's stops it", async () => {
    const files = { "src/index.ts": 'import { readFileSync } from "node:fs";\nexport const a = readFileSync;\n' };
    await expect(browserBundle(files)).rejects.toThrow(/Could not resolve "node:fs"/);
  });

  test("a package that is missing stops it", async () => {
    await expect(browserBundle({ "src/index.ts": 'export * from "no-such-package";\n' })).rejects.toThrow(
      /no-such-package/,
    );
  });

  test.each(["process", "Buffer", "global", "require", "setImmediate", "__dirname"])(
    "Node's %s stops it",
    async (name) => {
      const files = { "src/index.ts": `export const f = (): unknown => ${name};\n` };
      await expect(browserBundle(files)).rejects.toThrow(`the browser bundle uses Node's ${name}`);
    },
  );

  test("a variable of our own that is called process does not stop it", async () => {
    const files = { "src/index.ts": "export const f = (process: { id: number }): number => process.id;\n" };
    expect(await browserBundle(files)).toContain("process.id");
  });

  test("what cannot start without a host stops it", async () => {
    await expect(browserBundle({ "src/index.ts": "export const a = performanceOfHost.now();\n" })).rejects.toThrow(
      /performanceOfHost/,
    );
  });

  test("nothing is written when it is stopped", async () => {
    const root = treeOf({ "src/index.ts": "export const a = process;\n" });
    const outfile = join(root, "out.js");
    await expect(bundleForBrowser({ entry: join(root, "src/index.ts"), outfile })).rejects.toThrow();
    expect(existsSync(outfile)).toBe(false);
  });
});

describe("the bundle of the command line", () => {
  const MAIN = [
    'import { Command } from "commander";',
    'import { release } from "node:os";',
    'new Command().option("--late").action(async (options: { late?: boolean }) => {',
    '  const text = options.late ? (await import("./late.ts")).text : typeof release();',
    '  process.stdout.write(text + "\\n");',
    "}).parse();",
  ].join("\n");
  const LATE = 'process.stdout.write("late: ");\nexport const text = "loaded";\n';
  const FILES = { "main.ts": MAIN, "late.ts": LATE };

  async function bundled(): Promise<string> {
    const root = treeOf(FILES);
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
    const outdir = join(root, "dist/cli");
    mkdirSync(outdir, { recursive: true });
    writeFileSync(join(outdir, "stale-ABCDEFGH.js"), "");
    await bundleCommandLine({ entry: join(root, "main.ts"), outdir });
    return outdir;
  }

  const run = (outdir: string, ...options: string[]): string =>
    spawnSync(process.execPath, [join(outdir, "rundown.cjs"), ...options], { encoding: "utf8", cwd: "/" }).stdout;

  test("a CommonJS package that requires Node's modules runs in it", async () => {
    expect(run(await bundled())).toBe("string\n");
  });

  test("what is imported lazily starts only when it is asked for", async () => {
    expect(run(await bundled(), "--late")).toBe("late: loaded\n");
  });

  test("it is one file, and those of an earlier build are gone", async () => {
    expect(readdirSync(await bundled())).toEqual(["rundown.cjs"]);
  });
});
