/** What bin/rundown does before the command line is there to do anything. */
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

import { treeOf } from "./tree.ts";

const BIN = fileURLToPath(new URL("../../../bin", import.meta.url));

/** Starts the launcher in an installation whose command line is `commandLine`; there is none if that is null. */
function launch(
  commandLine: string | null,
  ...options: string[]
): { status: number | null; stdout: string; stderr: string } {
  const files = { "package.json": '{ "type": "module" }\n' };
  const root = treeOf(commandLine === null ? files : { ...files, "dist/cli/rundown.cjs": commandLine });
  cpSync(BIN, join(root, "bin"), { recursive: true });
  return spawnSync(process.execPath, [...options, join(root, "bin/rundown"), "run", "a.exe"], { encoding: "utf8" });
}

test("the command line gets its arguments where it expects them", () => {
  expect(launch("process.stdout.write(process.argv.slice(2).join());\n").stdout).toBe("run,a.exe");
});

test("the exit status is that of the command line", () => {
  expect(launch("process.exitCode = 122;\n").status).toBe(122);
});

test("what has not been built says what to do", () => {
  const { status, stderr } = launch(null);
  expect(stderr).toBe("rundown: it has not been built: run npm ci first\n");
  expect(status).toBe(125);
});

test("a command line that cannot start is our own failure", () => {
  const { status, stderr } = launch('throw new Error("broken build");\n');
  expect(stderr).toContain("rundown: it failed to start\nError: broken build");
  expect(status).toBe(125);
});

test("a Node that is too old is told which one it needs", () => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.18.3"})`;
  const { status, stderr } = launch("process.stdout.write('started');\n", "--import", pretend);
  expect(stderr).toBe("rundown: Node 20.18.3 is too old: it needs Node 20.19 or newer\n");
  expect(status).toBe(125);
});
