/**
 * Whole processes of the host: how long they take and how much memory they hold, told by the processes themselves as they
 * end. Variables that make every start of Node slower are kept from them, so that ratios compare us and nothing else.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duration } from "./figure.ts";

export interface ProcessUsage extends Duration {
  readonly residentMiB: number;
}

const REPORTER = `
const { writeSync } = require("fs");
process.on("exit", () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  writeSync(3, JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1000, residentMiB: maxRSS / 1024 }));
});
`;

/** NODE_EXTRA_CA_CERTS has certificates parsed at each start, which triples the time of an empty one. */
const KEPT_BACK = ["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "NODE_V8_COVERAGE"];

/** Runs each command once in every round, so that all meet the same weather. @returns a list for each command */
export function runProcesses(commands: readonly (readonly string[])[], rounds: number): ProcessUsage[][] {
  const folder = mkdtempSync(join(tmpdir(), "rundown-bench-"));
  const reporter = join(folder, "reporter.cjs");
  writeFileSync(reporter, REPORTER);
  try {
    const usages = commands.map((): ProcessUsage[] => []);
    // The first round fills caches, ours and the host's.
    for (let round = -1; round < rounds; round++) {
      for (const [index, command] of commands.entries()) {
        const usage = runProcess(reporter, command);
        if (round >= 0) usages[index]?.push(usage);
      }
    }
    return usages;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runProcess(reporter: string, command: readonly string[]): ProcessUsage {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !KEPT_BACK.includes(name)));
  const start = performance.now();
  const done = spawnSync(process.execPath, ["--require", reporter, ...command], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const wallMs = performance.now() - start;
  if (done.status !== 0)
    throw new Error(`${command.join(" ")} ended with ${String(done.status)}\n${String(done.stderr)}`);
  const told: unknown = JSON.parse(String(done.output[3]));
  if (typeof told !== "object" || told === null || !("cpuMs" in told) || !("residentMiB" in told)) {
    throw new Error(`${command.join(" ")} did not tell what it used`);
  }
  return { cpuMs: Number(told.cpuMs), residentMiB: Number(told.residentMiB), wallMs };
}
