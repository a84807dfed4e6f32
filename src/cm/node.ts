/**
 * The registry's tree. Names keep their case and are found without regard to it.
 *
 * Invariants: `cm.keyCount` and `cm.byteCount` are the sums over the tree; a deleted key is in no parent, has no
 * children, and answers nothing but KEY_DELETED.
 */
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { upcaseName } from "../ob/directory.ts";
import { assert } from "../rtl/assert.ts";

/** What a key costs besides its name. */
const KEY_BYTES = 80;
/** What a value costs besides its name and data. */
const VALUE_BYTES = 24;

export interface RegistryValue {
  readonly name: string;
  readonly type: number;
  readonly data: Uint8Array;
}

export class RegistryKey {
  readonly name: string;
  readonly parent: RegistryKey | null;
  readonly isVolatile: boolean;
  readonly className: string;
  lastWriteTime: bigint;
  deleted = false;
  /** By upper-case name. */
  readonly children: Map<string, RegistryKey> = new Map();
  /** By upper-case name, in order of creation. */
  readonly values: Map<string, RegistryValue> = new Map();
  #sorted: readonly RegistryKey[] | null = null;

  constructor(init: {
    readonly name: string;
    readonly parent: RegistryKey | null;
    readonly isVolatile: boolean;
    readonly className: string;
    readonly time: bigint;
  }) {
    this.name = init.name;
    this.parent = init.parent;
    this.isVolatile = init.isVolatile;
    this.className = init.className;
    this.lastWriteTime = init.time;
  }

  child(name: string): RegistryKey | null {
    return this.children.get(upcaseName(name)) ?? null;
  }

  value(name: string): RegistryValue | null {
    return this.values.get(upcaseName(name)) ?? null;
  }

  /** The children in the order in which they are enumerated. */
  sortedChildren(): readonly RegistryKey[] {
    this.#sorted ??= [...this.children].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, key]) => key);
    return this.#sorted;
  }

  childrenChanged(): void {
    this.#sorted = null;
  }

  /** `\Registry\Machine\…`. */
  get path(): string {
    const parts = [this.name];
    for (let { parent } = this; parent !== null; { parent } = parent) parts.push(parent.name);
    return `\\${parts.reverse().join("\\")}`;
  }
}

/** Adds a key, which must not be there. @returns null if the quota does not allow it */
export function addKey(
  k: Kernel,
  parent: RegistryKey,
  name: string,
  options: { readonly isVolatile: boolean; readonly className: string },
): RegistryKey | null {
  if (k.cm.keyCount >= k.cm.limits.keys) return null;
  const cost = keyCost(name, options.className);
  if (!chargeRegistry(k, cost)) return null;
  k.cm.keyCount++;
  const time = KeQuerySystemTime(k);
  const key = new RegistryKey({ name, parent, time, ...options });
  parent.children.set(upcaseName(name), key);
  parent.childrenChanged();
  parent.lastWriteTime = time;
  return key;
}

/** Takes a key without children out of the tree. */
export function removeKey(k: Kernel, key: RegistryKey): void {
  const { parent } = key;
  assert(parent !== null && key.children.size === 0, "only a leaf below the root is removed");
  parent.children.delete(upcaseName(key.name));
  parent.childrenChanged();
  parent.lastWriteTime = KeQuerySystemTime(k);
  for (const value of key.values.values()) chargeRegistry(k, -valueCost(value));
  key.values.clear();
  key.deleted = true;
  k.cm.keyCount--;
  chargeRegistry(k, -keyCost(key.name, key.className));
}

/** Sets a value, replacing one of that name. @returns INSUFFICIENT_RESOURCES beyond the quota */
export function setValue(k: Kernel, key: RegistryKey, value: RegistryValue): NtStatus {
  const before = key.value(value.name);
  const growth = valueCost(value) - (before === null ? 0 : valueCost(before));
  if (!chargeRegistry(k, growth)) return STATUS_INSUFFICIENT_RESOURCES;
  // A value that is set again keeps its place and its spelling.
  const stored = before === null ? value : { ...value, name: before.name };
  key.values.set(upcaseName(value.name), stored);
  key.lastWriteTime = KeQuerySystemTime(k);
  return STATUS_SUCCESS;
}

/** @returns whether there was such a value */
export function deleteValue(k: Kernel, key: RegistryKey, name: string): boolean {
  const value = key.value(name);
  if (value === null) return false;
  key.values.delete(upcaseName(name));
  chargeRegistry(k, -valueCost(value));
  key.lastWriteTime = KeQuerySystemTime(k);
  return true;
}

function keyCost(name: string, className: string): number {
  return KEY_BYTES + (name.length + className.length) * 2;
}

function valueCost(value: RegistryValue): number {
  return VALUE_BYTES + value.name.length * 2 + value.data.length;
}

function chargeRegistry(k: Kernel, bytes: number): boolean {
  if (bytes > 0 && k.cm.byteCount + bytes > k.cm.limits.bytes) return false;
  k.cm.byteCount += bytes;
  return true;
}
