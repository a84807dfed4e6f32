/** The values of command-line options: what people write, checked and turned into what we mean. Pure. */

/** The command was called wrongly; the message completes `option --x 'y': …`. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const SCALES: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["m", 1e6],
  ["g", 1e9],
]);

/** `1000`, `600k`, `5M`, `2.5G`. */
export function parseCount(text: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e\d{1,2})?)([kmg]?)$/iu.exec(text);
  const value = Number(match?.[1]) * (SCALES.get(match?.[2]?.toLowerCase() ?? "") ?? NaN);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError("must be a number from 1 on, such as 1000, 600k or 5M");
  return value;
}

export function parseWhole(text: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const value = /^(?:\d+|0x[\da-f]+)$/iu.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) throw new UsageError(`must be a whole number from ${least} to ${most}`);
  return value;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["", 1e3],
  ["s", 1e3],
  ["m", 60e3],
  ["min", 60e3],
  ["h", 3600e3],
]);

/** `10s`, `500ms`, `2m`, `1h`; a bare number is seconds. @returns milliseconds */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|)$/u.exec(text);
  const value = Number(match?.[1]) * (UNITS.get(match?.[2] ?? "") ?? NaN);
  if (!(value > 0 && value <= 1e12)) throw new UsageError("must be a duration, such as 10s, 500ms or 2m");
  return value;
}

export interface MountSpec {
  readonly host: string;
  /** With a drive letter and backslashes, without one at the end unless it is a whole drive: `D:\`, `C:\data`. */
  readonly guest: string;
  readonly readOnly: boolean;
}

/** `HOST:GUEST[:ro]`. Both sides may have colons of their own, so the guest's side is the last `X:` or `X:\…`. */
export function parseMount(text: string): MountSpec {
  const mode = /:(ro|rw)$/u.exec(text);
  const pair = mode === null ? text : text.slice(0, mode.index);
  const match = /^(.+):([a-z]):([\\/].*)?$/isu.exec(pair);
  const [, host, drive, rest = ""] = match ?? [];
  if (host === undefined || drive === undefined) {
    throw new UsageError("must be HOST:GUEST or HOST:GUEST:ro, where GUEST is a drive or a folder, as D: or C:\\data");
  }
  const components = rest.split(/[\\/]+/u).filter((component) => component !== "");
  if (components.some((component) => component === ".." || component === ".")) {
    throw new UsageError("must name the guest's folder without . and ..");
  }
  return { host, guest: `${drive.toUpperCase()}:\\${components.join("\\")}`, readOnly: mode?.[1] === "ro" };
}

/** `NAME=VALUE`; the value may be empty and hold further `=`. */
export function parseVariable(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf("=", 1);
  if (equals < 0) throw new UsageError("must be NAME=VALUE");
  if (text.includes("\0")) throw new UsageError("must not contain a NUL character");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

export function parseChoice<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`must be one of ${choices.join(", ")}`);
  return found;
}

/** `D02,D16`: ids of errata, in any case. Whether they are known is found out when they are needed. */
export function parseErrata(text: string): readonly string[] {
  const ids = text.split(",").map((id) => id.trim().toLowerCase().replace("d", "D"));
  if (!ids.every((id) => /^D\d\d[a-z]?$/u.test(id))) throw new UsageError("must name errata, such as D02 or D02,D16");
  return ids;
}

/** Comma-separated choices. */
export function parseChoices<T extends string>(text: string, choices: readonly T[]): readonly T[] {
  return text.split(",").map((part) => parseChoice(part.trim(), choices));
}
