/** National language support: Wine's ntdll asks the kernel for its tables. */
import type { NtService } from "../../nt/table.ts";
import type { X86Guest } from "./threads.ts";

export function nlsServices(_guest: () => X86Guest): readonly NtService[] {
  return [];
}
