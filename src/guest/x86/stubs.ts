/** Where Wine's ntdll enters the kernel: it calls through pointers that somebody must fill in. */
import { MEM_COMMIT, MEM_RESERVE, PAGE_EXECUTE_READWRITE } from "../../abi/mm.ts";
import { type NtStatus, STATUS_CONFLICTING_ADDRESSES, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { UserMemory } from "../../mm/usermemory.ts";
import { MmAllocateVirtualMemory } from "../../mm/virtual.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { X86Guest } from "./threads.ts";

/** The page of the stubs, at the same place in every process: high, where programs put nothing. */
export const SYSTEM_CALL_STUB = 0x7ffc0000;
const STUB_BYTES = 0x1000;
const UNIX_CALL_OFFSET = 0x10;
/** `int 2Eh; ret` */
const SYSTEM_CALL_CODE = Uint8Array.of(0xcd, 0x2e, 0xc3);
/** `mov eax, STATUS_NOT_IMPLEMENTED; ret 10h`: there is no Unix behind this Wine. */
const UNIX_CALL_CODE = Uint8Array.of(0xb8, 0x02, 0x00, 0x00, 0xc0, 0xc2, 0x10, 0x00);

/** Writes the stubs and points ntdll at them. */
export function writeSystemCallStubs(k: Kernel, guest: X86Guest, process: EProcess): NtStatus {
  const { addressOf } = guest.environment;
  const allocated = MmAllocateVirtualMemory(k, process, {
    base: SYSTEM_CALL_STUB,
    zeroBits: 0,
    size: STUB_BYTES,
    allocationType: MEM_RESERVE | MEM_COMMIT,
    protection: PAGE_EXECUTE_READWRITE,
  });
  if (!allocated.ok) return allocated.status;
  if (allocated.value.base !== SYSTEM_CALL_STUB) return STATUS_CONFLICTING_ADDRESSES;
  const user = new UserMemory(k, process);
  user.writeBytes(SYSTEM_CALL_STUB, SYSTEM_CALL_CODE);
  user.writeBytes(SYSTEM_CALL_STUB + UNIX_CALL_OFFSET, UNIX_CALL_CODE);
  const pointers = [
    ["__wine_syscall_dispatcher", SYSTEM_CALL_STUB],
    ["__wine_unix_call_dispatcher", SYSTEM_CALL_STUB + UNIX_CALL_OFFSET],
  ] as const;
  for (const [name, target] of pointers) {
    const pointer = addressOf(name);
    if (pointer !== undefined) user.writeU32(pointer, target);
  }
  return user.faulted ? user.status : STATUS_SUCCESS;
}
