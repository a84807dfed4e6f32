/** The registry's state: the root key and what limits its growth. Everything is volatile and dies with the machine. */
import type { ObjectType } from "../ob/type.ts";
import type { RegistryKey } from "./node.ts";

/** Bounds that keep a hostile guest from filling the host's memory. */
export interface CmLimits {
  /** Keys in the whole registry. */
  readonly keys: number;
  /** Bytes of names and values in the whole registry. */
  readonly bytes: number;
}

export interface CmState {
  /** The Key object type; null until `CmInitSystem` made it. */
  keyType: ObjectType | null;
  /** `\Registry`; null until `CmInitSystem` made it. */
  root: RegistryKey | null;
  keyCount: number;
  byteCount: number;
  readonly limits: CmLimits;
}

export function createCmState(limits: Partial<CmLimits> = {}): CmState {
  return {
    keyType: null,
    root: null,
    keyCount: 0,
    byteCount: 0,
    limits: { keys: limits.keys ?? 65_536, bytes: limits.bytes ?? 64 << 20 },
  };
}
