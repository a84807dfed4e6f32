/**
 * The files of a folder as a map from lower-case name to bytes. A folder of Windows DLLs may hold a thousand of them and a
 * program uses ten, so a file is read when it is first asked for, and once.
 *
 * Invariant: names are sorted, so that whoever goes through the map meets them in the same order on every host.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export class FileMap implements ReadonlyMap<string, Uint8Array> {
  private readonly paths: ReadonlyMap<string, string>;
  private readonly contents: Map<string, Uint8Array> = new Map<string, Uint8Array>();

  /** @param wanted which of the folder's files, by lower-case name */
  constructor(directory: string, wanted: (name: string) => boolean) {
    const names = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && wanted(entry.name.toLowerCase()))
      .map((entry): [string, string] => [entry.name.toLowerCase(), join(directory, entry.name)]);
    this.paths = new Map(names.sort(([first], [second]) => (first < second ? -1 : 1)));
  }

  get size(): number {
    return this.paths.size;
  }

  has(name: string): boolean {
    return this.paths.has(name);
  }

  get(name: string): Uint8Array | undefined {
    const known = this.contents.get(name);
    if (known !== undefined) return known;
    const path = this.paths.get(name);
    if (path === undefined) return undefined;
    const bytes = readFileSync(path);
    this.contents.set(name, bytes);
    return bytes;
  }

  keys(): MapIterator<string> {
    return this.paths.keys();
  }

  values(): MapIterator<Uint8Array> {
    return this.readAll().values();
  }

  entries(): MapIterator<[string, Uint8Array]> {
    return this.readAll().entries();
  }

  [Symbol.iterator](): MapIterator<[string, Uint8Array]> {
    return this.entries();
  }

  forEach(use: (bytes: Uint8Array, name: string, map: ReadonlyMap<string, Uint8Array>) => void): void {
    for (const [name, bytes] of this.entries()) use(bytes, name, this);
  }

  private readAll(): Map<string, Uint8Array> {
    return new Map([...this.keys()].map((name): [string, Uint8Array] => [name, this.get(name) ?? new Uint8Array()]));
  }
}
