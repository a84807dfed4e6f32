/** The list of facts that public tests establish. */
import { execFileSync } from "node:child_process";
import { test } from "vitest";

test("every fact is shown by a test that cites it, and every cited fact is listed", () => {
  execFileSync("node", ["tools/facts.mjs", "--check"], { stdio: "pipe" });
});
