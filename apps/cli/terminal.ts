/** What the terminal is like: whether it shows colour, and how wide it is. */
import type { Output } from "./output.ts";
import type { Environment } from "./setup-process.ts";

/** Colour is for people at a terminal. NO_COLOR and CI turn it off, FORCE_COLOR on. */
export function wantsColor(allowed: boolean, isTerminal: boolean, environment: Environment): boolean {
  const set = (name: string): boolean => (environment[name] ?? "") !== "";
  if (!allowed || set("NO_COLOR")) return false;
  if (set("FORCE_COLOR")) return environment["FORCE_COLOR"] !== "0";
  return isTerminal && environment["TERM"] !== "dumb" && !set("CI");
}

/** Columns of the terminal behind `output`; null if it is none. */
export function terminalWidth(output: Output): number | null {
  if (!output.isTerminal) return null;
  const { columns } = output.descriptor === 1 ? process.stdout : process.stderr;
  return columns > 0 ? Math.max(60, columns) : null;
}
