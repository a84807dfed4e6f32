/** System services on tokens. */
import type { NtService } from "../table.ts";

export const tokenServices: readonly NtService[] = [];
