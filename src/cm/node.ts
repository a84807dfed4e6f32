/**
 * The registry's tree. Names keep their case and are found without regard to it.
 *
 * Invariants: `cm.keyCount` and `cm.byteCount` are the sums over the tree; a deleted key is in no parent, has no
 * children, and answers nothing but KEY_DELETED.
 */
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { NameTable } from "../io/nametable.ts";
import { upcaseName } from "../ob/directory.ts";
import { assert } from "../rtl/assert.ts";

/** What a key costs besides its name. */
const KEY_BYTES = 80;
/** What a value costs besides its name and data. */
const VALUE_BYTES = 24;
/** Values of one key: working out their order again must stay cheap. */
const MAXIMUM_VALUES = 16_384;

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
  readonly children: NameTable<RegistryKey> = new NameTable();
  /** By upper-case name, in order of creation. */
  readonly values: Map<string, RegistryValue> = new Map();
  /** The keys of {@link values}; null when it has to be worked out again. */
  #valueOrder: readonly string[] | null = null;

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
    return this.children.get(upcaseName(name));
  }

  value(name: string): RegistryValue | null {
    return this.values.get(upcaseName(name)) ?? null;
  }

  /** The value at a place in the order of creation, or null behind the last. */
  valueAt(index: number): RegistryValue | null {
    this.#valueOrder ??= [...this.values.keys()];
    const key = this.#valueOrder[index];
    return key === undefined ? null : (this.values.get(key) ?? null);
  }

  /** Values came or went. */
  valuesChanged(): void {
    this.#valueOrder = null;
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
  parent.lastWriteTime = time;
  return key;
}

/** Takes a key without children out of the tree. */
export function removeKey(k: Kernel, key: RegistryKey): void {
  const { parent } = key;
  assert(parent !== null && key.children.size === 0, "only a leaf below the root is removed");
  parent.children.delete(upcaseName(key.name));
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
  if (before === null && key.values.size >= MAXIMUM_VALUES) return STATUS_INSUFFICIENT_RESOURCES;
  const growth = valueCost(value) - (before === null ? 0 : valueCost(before));
  if (!chargeRegistry(k, growth)) return STATUS_INSUFFICIENT_RESOURCES;
  // A value that is set again keeps its place and its spelling.
  const stored = before === null ? value : { ...value, name: before.name };
  key.values.set(upcaseName(value.name), stored);
  if (before === null) key.valuesChanged();
  key.lastWriteTime = KeQuerySystemTime(k);
  return STATUS_SUCCESS;
}

/** @returns whether there was such a value */
export function deleteValue(k: Kernel, key: RegistryKey, name: string): boolean {
  const value = key.value(name);
  if (value === null) return false;
  key.values.delete(upcaseName(name));
  key.valuesChanged();
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
