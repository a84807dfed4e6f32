/** What is shown of the figures: a table for people, JSON for programs. */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";
import { type Figure, isReached, median } from "./figure.ts";
import { packagePath } from "./machines.ts";

/** Where and when the figures come from. */
export interface Origin {
  readonly commit: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  /** Processes that wanted to run, on average over the last minute: before and after. */
  readonly load: readonly [before: number, after: number];
}

export function originOf(loadBefore: number): Origin {
  const cores = cpus();
  return {
    commit: commit(),
    processor: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    load: [loadBefore, loadNow()],
  };
}

export function loadNow(): number {
  return loadavg()[0] ?? 0;
}

function commit(): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync("git", ["-C", packagePath("."), ...words], { encoding: "utf8" }).trim();
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") === "" ? "" : ", with changes");
  } catch {
    return "unknown";
  }
}

interface Row {
  readonly name: string;
  readonly median: string;
  readonly range: string;
  readonly wall: string;
  readonly target: string;
  readonly reached: string;
}

const HEAD: Row = {
  name: "Figure",
  median: "Median",
  range: "Least – most",
  wall: "By the clock",
  target: "Target",
  reached: "Reached",
};

const COLUMNS = Object.keys(HEAD) as (keyof Row)[];

function rowOf(figure: Figure): Row {
  const { name, unit, samples, wall, target } = figure;
  const reached = isReached(figure);
  return {
    name,
    median: `${shown(median(samples))} ${unit}`,
    range: `${shown(Math.min(...samples))} – ${shown(Math.max(...samples))}`,
    wall: wall === null ? "" : shown(median(wall)),
    target: target === null ? "" : `${target.kind} ${shown(target.value)}`,
    reached: reached === null ? "" : reached ? "yes" : "no",
  };
}

/** Three digits that count, and no more after the point than that takes. */
function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** In Markdown, which reads as a table in a terminal too. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(rowOf)];
  const widths = COLUMNS.map((column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: Row): string =>
    `| ${COLUMNS.map((column, i) => row[column].padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const [head = "", ...body] = rows.map(line);
  return `${[head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body].join("\n")}\n`;
}

export function originText(origin: Origin): string {
  const [before, after] = origin.load;
  return (
    `Commit ${origin.commit}; ${String(origin.cores)} cores of ${origin.processor}, ${String(origin.memoryGiB)} GiB, Node ${origin.node}; ` +
    `load average ${before.toFixed(1)} before and ${after.toFixed(1)} after.`
  );
}

export function markdownOf(figures: readonly Figure[], origin: Origin, runs: number): string {
  return `# Benchmarks

\`npm run bench -- --markdown docs/benchmarks.md\` made this page. ${originText(origin)}

Each figure is the median of ${String(runs)} runs or more. Times are processor time, user and system together. Of whole processes,
which were started in turn with \`node -e 0\`, it is that of all their threads: on an idle machine with two cores the clock says
less where the engine compiles in the background, on a busy one it says more. They ran without the variables of the environment
that slow down every start of Node (\`NODE_EXTRA_CA_CERTS\`, \`NODE_OPTIONS\`). What repeats something within one process was
warmed up three times first, and there it is the time of the thread that runs the machine, where the host tells it: what the
engine's other threads compile and collect meanwhile is not in it. Targets are for processor time too.

${tableOf(figures)}`;
}

export function jsonOf(figures: readonly Figure[], origin: Origin): string {
  const described = figures.map((figure) => ({
    ...figure,
    median: median(figure.samples),
    reached: isReached(figure),
  }));
  return `${JSON.stringify({ format: "rundown.bench/1", origin, figures: described }, null, 2)}\n`;
}
