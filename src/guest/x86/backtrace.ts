/**
 * Who called the system service: the nearest return address on the user stack that lies in the program's own image and
 * follows a call instruction, and which import that call went to. Compilers leave no frame chain, so the stack is
 * scanned; what a certificate says of a caller is evidence, not proof.
 */
import type { Caller } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { ImportNames } from "./importnames.ts";

/** Bytes of stack that are looked at. */
const SCAN_BYTES = 0x1000;
const CALL_RELATIVE = 0xe8;
/** `call [address]` and `jmp [address]`, as little-endian words. */
const CALL_INDIRECT = 0x15ff;
const JUMP_INDIRECT = 0x25ff;

/**
 * @param stack where the scan begins: the stack pointer at the trap
 * @param fallback the return address of the system call itself
 */
export function findCaller(
  k: Kernel,
  process: EProcess,
  stack: number,
  fallback: number,
  imports: ImportNames | null,
): Caller {
  const image = process.sectionObject?.segment.image ?? null;
  if (image === null) return { address: fallback };
  const base = process.sectionBaseAddress;
  const end = base + image.pageCount * 0x1000;
  const user = k.mm.user.begin();
  for (let at = stack; at < stack + SCAN_BYTES; at += 4) {
    const address = user.readU32(at);
    if (user.faulted) break;
    if (address <= base + 0x1000 || address >= end) continue;
    const slot = calledSlot(user, address);
    if (user.faulted) user.begin();
    else if (slot !== null) return withApi(address, imports?.nameAt(slot - base));
  }
  return { address: fallback };
}

function withApi(address: number, api: string | undefined): Caller {
  return api === undefined ? { address } : { address, api };
}

/** The import slot through which the call before `address` went; 0 for another call, null if there is no call. */
function calledSlot(user: UserMemory, address: number): number | null {
  if (user.readU16(address - 6) === CALL_INDIRECT) return user.readU32(address - 4);
  if (user.readU8(address - 5) === CALL_RELATIVE) {
    const target = (address + user.readI32(address - 4)) >>> 0;
    return user.readU16(target) === JUMP_INDIRECT ? user.readU32(target + 2) : 0;
  }
  // `call register`: two bytes, FF D0 to FF D7; the compiler loaded the import into the register before.
  const pair = user.readU16(address - 2);
  return (pair & 0xf8ff) === 0xd0ff ? 0 : null;
}
