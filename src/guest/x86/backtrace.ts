/**
 * Who called the system service: the nearest return address in the program's own image that follows a call instruction,
 * and which import that call went to. Frames are followed as far as they are linked; where they are not, the stack is
 * scanned. What a certificate says of a caller is evidence, not proof.
 */
import type { Caller } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { ImportNames } from "./importnames.ts";

/** Bytes of stack that are looked at. */
const SCAN_BYTES = 0x1000;
const MAXIMUM_FRAMES = 64;
const MAXIMUM_STACK_BYTES = 0x100000;
const CALL_RELATIVE = 0xe8;
/** `call [address]` and `jmp [address]`, as little-endian words. */
const CALL_INDIRECT = 0x15ff;
const JUMP_INDIRECT = 0x25ff;

/** Where the search for the caller begins. */
export interface CallSite {
  /** Stack pointer at the trap. */
  readonly stack: number;
  /** EBP at the trap. */
  readonly frame: number;
  /** Return address of the system call itself, for want of a better one. */
  readonly fallback: number;
}

export function findCaller(k: Kernel, process: EProcess, site: CallSite, imports: ImportNames | null): Caller {
  const image = process.sectionObject?.segment.image ?? null;
  if (image === null) return { address: site.fallback };
  const base = process.sectionBaseAddress;
  const end = base + image.pageCount * 0x1000;
  const user = k.mm.user;
  const inProgram = (address: number): Caller | null => {
    if (address <= base + 0x1000 || address >= end) return null;
    const slot = calledSlot(user.begin(), address);
    return slot === null || user.faulted ? null : withApi(address, imports?.nameAt(slot - base));
  };
  const direct = inProgram(site.fallback);
  if (direct !== null) return direct;
  const followed = followFrames(user, site, inProgram);
  if (followed === "all libraries") return { address: 0, outsideProgram: true };
  return followed ?? scanStack(user, site, inProgram) ?? { address: site.fallback };
}

type Test = (address: number) => Caller | null;

/**
 * Frames lie above one another; a chain that turns back or leaves the stack is none. A chain that ends, at the thread's
 * first frame, without the program has returned from it.
 */
function followFrames(user: UserMemory, site: CallSite, test: Test): Caller | "all libraries" | null {
  let frame = site.frame;
  let above = site.stack;
  for (let depth = 0; depth < MAXIMUM_FRAMES; depth++) {
    if (frame === 0 && depth > 0) return "all libraries";
    if (frame < above || frame - site.stack > MAXIMUM_STACK_BYTES || (frame & 3) !== 0) return null;
    const address = user.begin().readU32(frame + 4);
    const next = user.readU32(frame);
    if (user.faulted) return null;
    const caller = test(address);
    if (caller !== null) return caller;
    above = frame + 8;
    frame = next;
  }
  return null;
}

function scanStack(user: UserMemory, site: CallSite, test: Test): Caller | null {
  for (let at = site.stack; at < site.stack + SCAN_BYTES; at += 4) {
    const address = user.begin().readU32(at);
    if (user.faulted) return null;
    const caller = test(address);
    if (caller !== null) return caller;
  }
  return null;
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
