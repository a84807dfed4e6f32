/**
 * Which parts of the bundle this run has used. The launcher keeps the code that a run compiled, and keeps it anew when a run
 * used a part that is not in there yet.
 */
export type Part = "builtin" | "win32" | "commander" | "scenarios" | "check";

export const usedParts: Set<Part> = new Set();
