/** The launcher keeps what the engine compiled of the bundle, and comes to no harm by what it finds in its place. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { treeOf } from "./tree.ts";

const BIN = fileURLToPath(new URL("../../../bin", import.meta.url));
/** Long enough to be worth keeping. */
const PADDING = `// ${"-".repeat(1 << 16)}\n`;
const PROGRAM = `${PADDING}exports.usedParts = new Set(process.argv.slice(2));\nprocess.stdout.write("ran");\n`;
const HEADER_BYTES = 512;

class Installation {
  readonly #root = treeOf({ "package.json": '{ "type": "module" }\n', "dist/cli/rundown.cjs": PROGRAM });
  readonly #cache: string = join(this.#root, "cache");

  constructor() {
    cpSync(BIN, join(this.#root, "bin"), { recursive: true });
  }

  run(...parts: readonly string[]): string {
    const environment = { ...process.env, RUNDOWN_CACHE_DIR: this.#cache };
    const command = [join(this.#root, "bin/rundown"), ...parts];
    const { stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8", env: environment });
    return stdout + stderr;
  }

  /** The path of the one file that is kept. */
  get kept(): string {
    const names = existsSync(this.#cache) ? readdirSync(this.#cache) : [];
    expect(names).toHaveLength(1);
    return join(this.#cache, names[0] ?? "");
  }

  /** The parts of the bundle that are in there. */
  get parts(): unknown {
    const header: unknown = JSON.parse(readFileSync(this.kept, "latin1").slice(0, HEADER_BYTES));
    return typeof header === "object" && header !== null && "parts" in header ? header.parts : null;
  }
}

/** One near the end, where the code is. */
function changeAByte(bytes: Buffer): Buffer {
  const at = bytes.length - 9;
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  return bytes;
}

describe("the code that the launcher keeps", () => {
  test("there is one file for an installation, with the parts that the runs used", () => {
    const installation = new Installation();
    for (const part of ["one", "two"]) expect(installation.run(part)).toBe("ran");
    expect(installation.parts).toEqual(["one", "two"]);
  });

  test("a run that used nothing new leaves it as it is", () => {
    const installation = new Installation();
    installation.run("one", "two");
    const before = readFileSync(installation.kept);
    installation.run("two");
    expect(readFileSync(installation.kept).equals(before)).toBe(true);
  });

  test.each([
    ["a byte of it has changed", changeAByte],
    ["its end is missing", (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
    ["it is empty", () => Buffer.alloc(0)],
    ["it is something else", () => Buffer.from("nonsense")],
  ])("the bundle runs, and it is made anew, when %s", (_, damage) => {
    const installation = new Installation();
    installation.run("one");
    writeFileSync(installation.kept, damage(readFileSync(installation.kept)));
    expect(installation.run("two")).toBe("ran");
    expect(installation.parts).toEqual(["two"]);
  });
});
