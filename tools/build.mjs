/**
 * `node tools/build.mjs [--check-browser]`: bundles what `tsc -b` type-checked.
 *
 * 1. The command line, dist/cli/rundown.js: everything it needs but Node's own modules. What it imports lazily lies in chunks
 *    beside it, so that a small run loads little.
 * 2. The kernel for a browser, dist/browser/rundown.js: the proof that nothing in src/ needs Node. The bundle must build
 *    without one external module, name none of Node's globals, and start where there is nothing but the language.
 *
 * `--check-browser` does the second alone. Exits with 1, and says why, if a bundle cannot be made.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";

const NODE_GLOBALS = ["process", "Buffer", "global", "require", "module", "__dirname", "__filename", "setImmediate"];
const MARK = "__only_in_node_";
const START_LIMIT_MS = 30_000;

/**
 * `require` of a Node module from a CommonJS package. In an ES module there is no `require`, so the call becomes an import of
 * a module that hands on what Node exports by default.
 * @type {import("esbuild").Plugin}
 */
const requireOfBuiltins = {
  name: "require-of-builtins",
  setup(hooks) {
    hooks.onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
      const bare = path.replace(/^node:/, "");
      if (kind !== "require-call" || !builtinModules.includes(bare)) return null;
      return { path: `node:${bare}`, namespace: "builtin" };
    });
    hooks.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `import builtin from ${JSON.stringify(path)};\nmodule.exports = builtin;\n`,
    }));
  },
};

/**
 * Names are kept by not minifying. esbuild's `keepNames` would keep them exactly, at the price of a call for every closure
 * that the kernel makes while it runs.
 * @param {{ entry: string, outdir: string }} where
 * @returns {Promise<void>}
 */
export async function bundleCommandLine({ entry, outdir }) {
  const { metafile } = await build({
    entryPoints: { rundown: entry },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    chunkNames: "[name]-[hash]",
    legalComments: "inline",
    plugins: [requireOfBuiltins],
    metafile: true,
    logLevel: "silent",
  });
  // Stale chunks go last: a command that runs meanwhile still finds what it was built with.
  const written = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
  for (const name of readdirSync(outdir)) if (!written.has(name)) rmSync(join(outdir, name), { recursive: true });
}

/**
 * @param {{ entry: string, outfile: string }} where
 * @returns {Promise<void>} rejected with what is wrong when the bundle needs Node
 */
export async function bundleForBrowser({ entry, outfile }) {
  /** @type {import("esbuild").BuildOptions} */
  const shared = { entryPoints: [entry], bundle: true, platform: "browser", target: "es2023", logLevel: "silent" };
  const text = await textOf({ ...shared, format: "esm" });
  const marked = await textOf({
    ...shared,
    format: "iife",
    // Only names that nothing in the bundle declares are replaced, so that a local `process` stays what it is.
    define: Object.fromEntries(NODE_GLOBALS.map((name) => [name, MARK + name])),
  });
  const reached = NODE_GLOBALS.filter((name) => new RegExp(`\\b${MARK}${name}\\b`).test(marked));
  if (reached.length > 0) throw new Error(`the browser bundle uses Node's ${reached.join(", ")}`);
  runInNewContext(marked, {}, { timeout: START_LIMIT_MS });
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, text);
}

/** @param {import("esbuild").BuildOptions} options @returns {Promise<string>} */
async function textOf(options) {
  const { outputFiles } = await build({ ...options, write: false });
  return outputFiles?.[0]?.text ?? "";
}

async function main() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const commandLine = { entry: join(root, "apps/cli/main.ts"), outdir: join(root, "dist/cli") };
  const browser = { entry: join(root, "src/index.ts"), outfile: join(root, "dist/browser/rundown.js") };
  const steps = [
    { ...browser, make: () => bundleForBrowser(browser) },
    { ...commandLine, make: () => bundleCommandLine(commandLine) },
  ];
  for (const { entry, make } of process.argv.includes("--check-browser") ? steps.slice(0, 1) : steps) {
    if (existsSync(entry)) await make();
    else console.error(`build: skipped, because ${entry.slice(root.length)} does not exist yet`);
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main().catch((/** @type {unknown} */ error) => {
    console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
