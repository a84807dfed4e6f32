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
import { readFsave, readFxsave, writeFsave, writeFxsave } from "../../cpu/fpstate.ts";
import type { UserMemory } from "../../mm/usermemory.ts";

const FSAVE_BYTES = 112;
const FXSAVE_BYTES = 512;
/** The flags that user mode may set: arithmetic flags, DF, TF, AC, ID. */
const USER_EFLAGS = 0x00240dd5;
const FIXED_EFLAGS = 0x202;

const SELECTOR_CODE = 0x1b;
const SELECTOR_DATA = 0x23;

/** Indices of the general registers, with their places in the record. */
const INTEGER_FIELDS: readonly (readonly [number, number])[] = [
  [7, CONTEXT.edi],
  [6, CONTEXT.esi],
  [3, CONTEXT.ebx],
  [2, CONTEXT.edx],
  [1, CONTEXT.ecx],
  [0, CONTEXT.eax],
];

function has(flags: number, part: number): boolean {
  return (flags & part & ~CONTEXT_i386) !== 0;
}

/** Writes the parts named by `flags` to user memory at `address`. Check `user.faulted` afterwards. */
export function writeContextRecord(user: UserMemory, address: number, context: X86Context, flags: number): void {
  user.writeU32(address + CONTEXT.contextFlags, flags);
  if (has(flags, CONTEXT_CONTROL)) {
    user.writeU32(address + CONTEXT.ebp, (context.general[5] ?? 0) >>> 0);
    user.writeU32(address + CONTEXT.eip, context.eip >>> 0);
    user.writeU32(address + CONTEXT.segCs, SELECTOR_CODE);
    user.writeU32(address + CONTEXT.eflags, context.eflags >>> 0);
    user.writeU32(address + CONTEXT.esp, (context.general[4] ?? 0) >>> 0);
    user.writeU32(address + CONTEXT.segSs, SELECTOR_DATA);
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
    const image = new Uint8Array(FSAVE_BYTES);
    writeFsave(context, new DataView(image.buffer));
    user.writeBytes(address + CONTEXT.floatSave, image);
  }
  if (has(flags, CONTEXT_EXTENDED_REGISTERS)) {
    const image = new Uint8Array(FXSAVE_BYTES);
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
    context.general[5] = user.readU32(address + CONTEXT.ebp) | 0;
    context.eip = user.readU32(address + CONTEXT.eip) | 0;
    context.eflags = (user.readU32(address + CONTEXT.eflags) & USER_EFLAGS) | FIXED_EFLAGS;
    context.general[4] = user.readU32(address + CONTEXT.esp) | 0;
  }
  if (has(flags, CONTEXT_INTEGER)) {
    for (const [register, field] of INTEGER_FIELDS) context.general[register] = user.readU32(address + field) | 0;
  }
  if (has(flags, CONTEXT_EXTENDED_REGISTERS)) {
    const image = user.readBytes(address + CONTEXT.extendedRegisters, FXSAVE_BYTES);
    if (!user.faulted) readFxsave(context, new DataView(image.buffer, image.byteOffset, FXSAVE_BYTES));
  } else if (has(flags, CONTEXT_FLOATING_POINT)) {
    const image = user.readBytes(address + CONTEXT.floatSave, FSAVE_BYTES);
    if (!user.faulted) readFsave(context, new DataView(image.buffer, image.byteOffset, FSAVE_BYTES));
  }
}
