/** A small tree of files in a directory of its own, for checks that read trees. Removed when the test file is done. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

const roots: string[] = [];

afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** Writes `files`, path to text, below a new directory. @returns the directory */
export function treeOf(files: Readonly<Record<string, string>>): string {
  // Tools that compare paths see the real one, which differs from the name where the temporary directory is a link.
  const root = realpathSync(mkdtempSync(join(tmpdir(), "rundown-tree-")));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
