/** `NtCreateUserProcess`. */
import type { NtService } from "../../nt/table.ts";
import type { X86Guest } from "./threads.ts";

export function createProcessServices(_guest: () => X86Guest): readonly NtService[] {
  return [];
}
