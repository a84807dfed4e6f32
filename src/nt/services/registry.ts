/** System services on the registry. */
import type { NtService } from "../table.ts";

export const registryServices: readonly NtService[] = [];
