/**
 * The `CONTEXT` record: a thread's registers in user memory, in the parts that its flags name. What a program puts into
 * one is untrusted: selectors are ignored, and only harmless flags reach the processor.
 */
import {
  CONTEXT,
  CONTEXT_CONTROL,
  CONTEXT_EXTENDED_REGISTERS,
  CONTEXT_FLOATING_POINT,
  CONTEXT_i386,
  CONTEXT_INTEGER,
  CONTEXT_SEGMENTS,
} from "../../abi/exception.ts";
import type { X86Context } from "../../cpu/context.ts";
import {
  EXTENDED_REGISTERS_BYTES,
  FLOATING_SAVE_AREA_BYTES,
  readFsave,
  readFxsave,
  writeFsave,
  writeFxsave,
} from "../../cpu/fpstate.ts";
import { EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, SELECTOR_USER_CODE, SELECTOR_USER_DATA } from "../../cpu/layout.ts";
import type { UserMemory } from "../../mm/usermemory.ts";

/** The flags that user mode may set: arithmetic flags, DF, TF, AC, ID. */
const USER_EFLAGS = 0x00240dd5;
const FIXED_EFLAGS = 0x202;

/** Indices of the general registers, with their places in the record. */
const INTEGER_FIELDS: readonly (readonly [number, number])[] = [
  [EDI, CONTEXT.edi],
  [ESI, CONTEXT.esi],
  [EBX, CONTEXT.ebx],
  [EDX, CONTEXT.edx],
  [ECX, CONTEXT.ecx],
  [EAX, CONTEXT.eax],
];

function has(flags: number, part: number): boolean {
  return (flags & part & ~CONTEXT_i386) !== 0;
}

/** Writes the parts named by `flags` to user memory at `address`. Check `user.faulted` afterwards. */
export function writeContextRecord(user: UserMemory, address: number, context: X86Context, flags: number): void {
  user.writeU32(address + CONTEXT.contextFlags, flags);
  if (has(flags, CONTEXT_CONTROL)) {
    user.writeU32(address + CONTEXT.ebp, (context.general[EBP] ?? 0) >>> 0);
    user.writeU32(address + CONTEXT.eip, context.eip >>> 0);
    user.writeU32(address + CONTEXT.segCs, SELECTOR_USER_CODE);
    user.writeU32(address + CONTEXT.eflags, context.eflags >>> 0);
    user.writeU32(address + CONTEXT.esp, (context.general[ESP] ?? 0) >>> 0);
    user.writeU32(address + CONTEXT.segSs, SELECTOR_USER_DATA);
  }
  if (has(flags, CONTEXT_INTEGER)) {
    for (const [register, field] of INTEGER_FIELDS) {
      user.writeU32(address + field, (context.general[register] ?? 0) >>> 0);
    }
  }
  if (has(flags, CONTEXT_SEGMENTS)) {
    user.writeU32(address + CONTEXT.segGs, context.segGs);
    user.writeU32(address + CONTEXT.segFs, context.segFs);
    user.writeU32(address + CONTEXT.segEs, context.segEs);
    user.writeU32(address + CONTEXT.segDs, context.segDs);
  }
  if (has(flags, CONTEXT_FLOATING_POINT)) {
    const image = new Uint8Array(FLOATING_SAVE_AREA_BYTES);
    writeFsave(context, new DataView(image.buffer));
    user.writeBytes(address + CONTEXT.floatSave, image);
  }
  if (has(flags, CONTEXT_EXTENDED_REGISTERS)) {
    const image = new Uint8Array(EXTENDED_REGISTERS_BYTES);
    writeFxsave(context, new DataView(image.buffer));
    user.writeBytes(address + CONTEXT.extendedRegisters, image);
  }
}

/**
 * Reads the parts that the record's own flags name into `context`; segment registers other than those of Windows are
 * ignored, as they are when a thread returns to user mode. Check `user.faulted` before using the context.
 */
export function readContextRecord(user: UserMemory, address: number, context: X86Context): void {
  const flags = user.readU32(address + CONTEXT.contextFlags);
  if (user.faulted) return;
  if (has(flags, CONTEXT_CONTROL)) {
    context.general[EBP] = user.readU32(address + CONTEXT.ebp) | 0;
    context.eip = user.readU32(address + CONTEXT.eip) | 0;
    context.eflags = (user.readU32(address + CONTEXT.eflags) & USER_EFLAGS) | FIXED_EFLAGS;
    context.general[ESP] = user.readU32(address + CONTEXT.esp) | 0;
  }
  if (has(flags, CONTEXT_INTEGER)) {
    for (const [register, field] of INTEGER_FIELDS) context.general[register] = user.readU32(address + field) | 0;
  }
  if (has(flags, CONTEXT_EXTENDED_REGISTERS)) {
    const image = user.readBytes(address + CONTEXT.extendedRegisters, EXTENDED_REGISTERS_BYTES);
    if (!user.faulted) readFxsave(context, new DataView(image.buffer, image.byteOffset, EXTENDED_REGISTERS_BYTES));
  } else if (has(flags, CONTEXT_FLOATING_POINT)) {
    const image = user.readBytes(address + CONTEXT.floatSave, FLOATING_SAVE_AREA_BYTES);
    if (!user.faulted) readFsave(context, new DataView(image.buffer, image.byteOffset, FLOATING_SAVE_AREA_BYTES));
  }
}
