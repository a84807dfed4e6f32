/**
 * File names: which are valid, when two are the same, and which ones a DOS pattern matches.
 *
 * Invariant: comparison is by code unit, as NTFS's upcase table does it: no character becomes two, so an upcased name
 * has the length of the name.
 */
import { upcaseName } from "../ob/directory.ts";
import { MAXIMUM_COMPONENT_LENGTH } from "./constants.ts";

/** Characters that no component may contain; the colon would start the name of a stream. */
const INVALID_CHARACTERS = /["*/:<>?\\|\u0000-\u001f]/u;

/** Whether `name` may name a file in a directory. */
export function isValidComponent(name: string): boolean {
  if (name.length === 0 || name.length > MAXIMUM_COMPONENT_LENGTH) return false;
  return name !== "." && name !== ".." && !INVALID_CHARACTERS.test(name);
}

/** Whether a pattern asks for everything. */
export function matchesEverything(pattern: string): boolean {
  return pattern === "" || pattern === "*" || pattern === "*.*";
}

/**
 * `FsRtlIsNameInExpression`, ignoring case: `*` any run, `?` one character, `<` any run up to the last dot, `>` one
 * character or the end of the part in front of a dot, `"` a dot or the end. Takes time in proportion to the product of
 * the lengths, whatever the pattern.
 */
export function isNameInExpression(pattern: string, name: string): boolean {
  const expression = upcaseName(pattern);
  const text = upcaseName(name);
  const lastDot = text.lastIndexOf(".");
  // reachable[j]: the part of the expression that was looked at so far matches the first j characters of the name.
  let reachable = new Uint8Array(text.length + 1);
  reachable[0] = 1;
  for (const symbol of expression) reachable = advance(symbol, text, lastDot, reachable);
  return reachable[text.length] === 1;
}

/** The positions that are reachable after one more symbol of the expression. */
function advance(symbol: string, text: string, lastDot: number, from: Uint8Array): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(from.length);
  for (let at = 0; at < from.length; at++) {
    if (symbol === "*") {
      if (from[at] === 1 || (at > 0 && to[at - 1] === 1)) to[at] = 1;
      continue;
    }
    if (symbol === "<") {
      if (from[at] === 1 || (at > 0 && to[at - 1] === 1 && dosStarMayTake(at - 1, text, lastDot))) to[at] = 1;
      continue;
    }
    if (from[at] === 1) stepOver(symbol, text, at, to);
  }
  return to;
}

/** `<` takes any character except the last dot of the name. */
function dosStarMayTake(at: number, text: string, lastDot: number): boolean {
  return at < text.length && at !== lastDot;
}

function stepOver(symbol: string, text: string, at: number, to: Uint8Array): void {
  const atEnd = at >= text.length;
  const unit = text.charAt(at);
  switch (symbol) {
    case "?":
      if (!atEnd) to[at + 1] = 1;
      return;
    case ">":
      if (atEnd || unit === ".") to[at] = 1;
      else to[at + 1] = 1;
      return;
    case '"':
      if (atEnd) to[at] = 1;
      else if (unit === ".") to[at + 1] = 1;
      return;
    default:
      if (unit === symbol && !atEnd) to[at + 1] = 1;
  }
}
