/**
 * `node tools/build.mjs [--check-browser]`: bundles what `tsc -b` type-checked.
 *
 * 1. The command line, dist/cli/rundown.cjs: everything it needs but Node's own modules. Beside it lies the built-in ntdll.
 * 2. The kernel for a browser, dist/browser/rundown.js: the proof that nothing in src/ needs Node. The bundle must build
 *    without one external module, name none of Node's globals, and start where there is nothing but the language.
 *
 * `--check-browser` does the second alone. Exits with 1, and says why, if a bundle cannot be made.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";

const NODE_GLOBALS = ["process", "Buffer", "global", "require", "module", "__dirname", "__filename", "setImmediate"];
const MARK = "__only_in_node_";
const START_LIMIT_MS = 30_000;

/**
 * One CommonJS file: it starts sooner than modules do, and what the engine compiled of it can be kept as a whole. White space
 * goes, names stay: traces of stacks tell as much as ever. esbuild's `keepNames` would keep them exactly, at the price of a
 * call for every closure that the kernel makes while it runs.
 * @param {{ entry: string, outdir: string }} where
 * @returns {Promise<void>}
 */
export async function bundleCommandLine({ entry, outdir }) {
  const { metafile } = await build({
    entryPoints: { rundown: entry },
    outdir,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20.19",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "inline",
    // There is no `import.meta` in CommonJS.
    define: { "import.meta.url": "ownUrl" },
    banner: { js: 'const ownUrl = require("url").pathToFileURL(__filename).href;' },
    metafile: true,
    logLevel: "silent",
  });
  const written = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
  for (const name of readdirSync(outdir)) if (!written.has(name)) rmSync(join(outdir, name), { recursive: true });
}

/**
 * Makes the built-in ntdll, so that no start has to.
 * @param {{ root: string, outdir: string }} where
 * @returns {Promise<void>}
 */
export async function makeBuiltinLibrary({ root, outdir }) {
  const contents = [
    'import { builtinNtdll } from "./src/guest/environment.ts";',
    'import { allServices } from "./src/machine/services.ts";',
    "export default builtinNtdll(allServices(() => null));",
  ].join("\n");
  const stdin = { contents, resolveDir: root, loader: /** @type {const} */ ("ts") };
  const text = await textOf({ stdin, bundle: true, format: "esm", platform: "neutral", logLevel: "silent" });
  const { default: library } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  writeFileSync(join(outdir, "ntdll.bin"), library);
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
  const outdir = join(root, "dist/cli");
  const commandLine = { entry: join(root, "apps/cli/main.ts"), outdir };
  const browser = { entry: join(root, "src/index.ts"), outfile: join(root, "dist/browser/rundown.js") };
  await bundleForBrowser(browser);
  if (process.argv.includes("--check-browser")) return;
  await bundleCommandLine(commandLine);
  await makeBuiltinLibrary({ root, outdir });
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main().catch((/** @type {unknown} */ error) => {
    console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
