/** The standard handles of the first process. */
import type { StandardHandles } from "../guest/parameters.ts";
import type { Kernel } from "../kernel.ts";
import type { EProcess } from "../ps/objects.ts";

export function openStandardHandles(_k: Kernel, _process: EProcess): StandardHandles {
  return { input: 0, output: 0, error: 0 };
}
