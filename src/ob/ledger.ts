/** The ledger of objects: everything that is alive, and who keeps it so. For leak reports and tests. */
import type { Kernel } from "../kernel.ts";
import { pathOf } from "./directory.ts";
import { holdersOf } from "./header.ts";

export interface LiveObject {
  readonly id: number;
  readonly type: string;
  readonly name: string | null;
  readonly pointerCount: number;
  readonly handleCount: number;
  /** References that belong to no handle and no name. */
  readonly otherReferences: number;
  readonly holders: readonly { readonly pid: number; readonly handles: number }[];
}

/** Every object, oldest first; without those that are there from boot on unless `all`. */
export function liveObjects(k: Kernel, options: { readonly all?: boolean } = {}): LiveObject[] {
  const objects: LiveObject[] = [];
  for (const header of k.ob.live) {
    if (header.block === null && options.all !== true) continue;
    const { body, type, pointerCount, handleCount } = header;
    objects.push({
      id: body.id,
      type: type.name,
      name: pathOf(body),
      pointerCount,
      handleCount,
      otherReferences: pointerCount - handleCount - (header.name === null ? 0 : 1),
      holders: holdersOf(header).map(([process, handles]) => ({ pid: process.pid, handles })),
    });
  }
  return objects;
}
