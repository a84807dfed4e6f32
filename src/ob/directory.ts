/**
 * Object directories: names for objects. A directory keeps the case of its names and may be searched with or without
 * regard to it.
 *
 * Invariants: every entry owns one reference on its object, and the object's name owns one on the directory, so a
 * directory with entries is never deleted. No two entries of a directory have exactly the same name.
 */
import { OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import { headerOf } from "./header.ts";

export class ObjectDirectory extends ObjectBody {
  /** By the name in upper case; names that differ only in case share a list. */
  readonly entries: Map<string, DirectoryEntry[]> = new Map();
}

export interface DirectoryEntry {
  readonly name: string;
  readonly body: ObjectBody;
}

/** `RtlUpcaseUnicodeString`: one character for one, whatever the language would say. */
export function upcaseName(name: string): string {
  const upper = name.toUpperCase();
  if (upper.length === name.length) return upper;
  let result = "";
  for (let index = 0; index < name.length; index++) {
    const character = name.charAt(index);
    const mapped = character.toUpperCase();
    result += mapped.length === 1 ? mapped : character;
  }
  return result;
}

/** The object of that name, or null; no reference is added. */
export function findEntry(directory: ObjectDirectory, name: string, attributes: number): ObjectBody | null {
  const bucket = directory.entries.get(upcaseName(name));
  if (bucket === undefined) return null;
  if ((attributes & OBJ_CASE_INSENSITIVE) !== 0) return bucket[0]?.body ?? null;
  return bucket.find((entry) => entry.name === name)?.body ?? null;
}

/** Names the object: adds the references that go with the name. */
export function insertEntry(directory: ObjectDirectory, name: string, body: ObjectBody): void {
  const header = headerOf(body);
  assert(header.name === null, "an object has one name at most");
  const key = upcaseName(name);
  const bucket = directory.entries.get(key);
  assert(!bucket?.some((entry) => entry.name === name), "a name is given once in a directory");
  if (bucket === undefined) directory.entries.set(key, [{ name, body }]);
  else bucket.push({ name, body });
  header.name = { directory, name };
  header.pointerCount++;
  headerOf(directory).pointerCount++;
}

/** Takes the object's name away. The caller drops the two references, on the object and on the directory. */
export function removeEntry(body: ObjectBody): ObjectDirectory {
  const header = headerOf(body);
  assert(header.name !== null, "only a named object loses its name");
  const { directory, name } = header.name;
  const key = upcaseName(name);
  const bucket = directory.entries.get(key) ?? [];
  const index = bucket.findIndex((entry) => entry.body === body);
  assert(index >= 0, "a named object is in its directory");
  bucket.splice(index, 1);
  if (bucket.length === 0) directory.entries.delete(key);
  header.name = null;
  return directory;
}

/** All entries, in the order in which their names (without regard to case) first appeared. */
export function listEntries(directory: ObjectDirectory): DirectoryEntry[] {
  return [...directory.entries.values()].flat();
}

/** The path from the root to the object, or null if it has no name. */
export function pathOf(body: ObjectBody): string | null {
  const parts: string[] = [];
  let current = body;
  for (let { name } = headerOf(current); name !== null; { name } = headerOf(current)) {
    parts.push(name.name);
    current = name.directory;
  }
  if (parts.length === 0) return null;
  return `\\${parts.reverse().join("\\")}`;
}
