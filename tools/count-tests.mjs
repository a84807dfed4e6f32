/**
 * `node tools/count-tests.mjs REPORT…`: sums the JSON reports of Vitest and prints `N passed, N failed`.
 *
 * What kept tests from running counts as one failure each: a report that is missing, a file that could not be loaded, an
 * error outside every test. Exits with 1 if anything failed.
 */
import { readFileSync } from "node:fs";

/** @typedef {{ passed: number, failed: number }} Count */

/** @param {string} path @returns {Count} */
function countReport(path) {
  const report = readReport(path);
  if (report === null) return { passed: 0, failed: 1 };
  const unloaded = report.testResults.filter(
    (/** @type {{ status: string, assertionResults: { status: string }[] }} */ file) =>
      file.status === "failed" && !file.assertionResults.some((result) => result.status === "failed"),
  );
  const failed = report.numFailedTests + unloaded.length;
  return { passed: report.numPassedTests, failed: failed === 0 && !report.success ? 1 : failed };
}

/** @param {string} path @returns {any} the report, or null where there is none that can be read */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    console.error(`count-tests: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

const counts = process.argv.slice(2).map(countReport);
const passed = counts.reduce((sum, count) => sum + count.passed, 0);
const failed = counts.reduce((sum, count) => sum + count.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
