/** The last line of a run of all checks. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

import { treeOf } from "./tree.ts";

const COUNT = fileURLToPath(new URL("../../../tools/count-tests.mjs", import.meta.url));

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const GREEN: Report = { success: true, numPassedTests: 3, numFailedTests: 0, testResults: [] };

function count(...reports: readonly (Report | null)[]): { line: string; status: number | null } {
  const files = reports.flatMap((report, index) =>
    report === null ? [] : [[`${index}.json`, JSON.stringify(report)]],
  );
  const root = treeOf(Object.fromEntries(files) as Record<string, string>);
  const paths = reports.map((_, index) => join(root, `${index}.json`));
  const { stdout, status } = spawnSync(process.execPath, [COUNT, ...paths], { encoding: "utf8" });
  return { line: stdout, status };
}

test("the passed tests of all reports are summed", () => {
  expect(count(GREEN, { ...GREEN, numPassedTests: 4 })).toEqual({ line: "7 passed, 0 failed\n", status: 0 });
});

test("a failed test is counted once, and fails the run", () => {
  const file = { status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] };
  const red = { success: false, numPassedTests: 1, numFailedTests: 1, testResults: [file] };
  expect(count(GREEN, red)).toEqual({ line: "4 passed, 1 failed\n", status: 1 });
});

test("a test file that cannot be loaded is a failure", () => {
  const red = {
    success: false,
    numPassedTests: 3,
    numFailedTests: 0,
    testResults: [{ status: "failed", assertionResults: [] }],
  };
  expect(count(red)).toEqual({ line: "3 passed, 1 failed\n", status: 1 });
});

test("an error outside every test is a failure", () => {
  expect(count({ ...GREEN, success: false })).toEqual({ line: "3 passed, 1 failed\n", status: 1 });
});

test("a report that is missing is a failure", () => {
  expect(count(GREEN, null)).toEqual({ line: "3 passed, 1 failed\n", status: 1 });
});
