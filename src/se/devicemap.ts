/**
 * Device maps: which drive letters a session sees. All processes of a machine share the letters of `\??`, so a map is
 * only what keeps the sharing alive: it goes with its last user.
 */
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { newObjectId } from "../sim/identity.ts";

export class DeviceMap {
  readonly id: number;
  /** Processes that use it. */
  references = 1;

  constructor(id: number) {
    this.id = id;
  }
}

/** A map with one user. */
export function newDeviceMap(k: Kernel): DeviceMap {
  return new DeviceMap(newObjectId(k));
}

/** A child process uses its parent's map. */
export function ObInheritDeviceMap(parent: DeviceMap): DeviceMap {
  assert(parent.references > 0, "a map that is inherited has a user");
  parent.references++;
  return parent;
}

/** @returns whether that was the last user, so that the map is gone */
export function ObDereferenceDeviceMap(map: DeviceMap): boolean {
  assert(map.references > 0, "a map is given up once by each of its users");
  return --map.references === 0;
}
