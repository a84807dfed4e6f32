/** System services on files. */
import type { NtService } from "../table.ts";

export const fileServices: readonly NtService[] = [];
