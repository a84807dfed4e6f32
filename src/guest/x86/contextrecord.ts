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

/** A part of the record, which lies in one piece. */
interface Part {
  readonly flag: number;
  readonly from: number;
  readonly to: number;
  readonly write: (view: DataView, context: X86Context) => void;
  readonly read: (view: DataView, context: X86Context) => void;
}

const FLOATING: Part = {
  flag: CONTEXT_FLOATING_POINT,
  from: CONTEXT.floatSave,
  to: CONTEXT.floatSave + FLOATING_SAVE_AREA_BYTES,
  write: (view, context) => {
    writeFsave(context, view, CONTEXT.floatSave);
  },
  read: (view, context) => {
    readFsave(context, view, CONTEXT.floatSave);
  },
};

const SEGMENTS: Part = {
  flag: CONTEXT_SEGMENTS,
  from: CONTEXT.segGs,
  to: CONTEXT.edi,
  write: (view, context) => {
    view.setUint32(CONTEXT.segGs, context.segGs, true);
    view.setUint32(CONTEXT.segFs, context.segFs, true);
    view.setUint32(CONTEXT.segEs, context.segEs, true);
    view.setUint32(CONTEXT.segDs, context.segDs, true);
  },
  // Ignored, as they are when a thread returns to user mode.
  read: () => undefined,
};

const INTEGER: Part = {
  flag: CONTEXT_INTEGER,
  from: CONTEXT.edi,
  to: CONTEXT.ebp,
  write: (view, { general }) => {
    for (const [register, field] of INTEGER_FIELDS) view.setInt32(field, general[register] ?? 0, true);
  },
  read: (view, { general }) => {
    for (const [register, field] of INTEGER_FIELDS) general[register] = view.getInt32(field, true);
  },
};

const CONTROL: Part = {
  flag: CONTEXT_CONTROL,
  from: CONTEXT.ebp,
  to: CONTEXT.extendedRegisters,
  write: (view, context) => {
    view.setInt32(CONTEXT.ebp, context.general[EBP] ?? 0, true);
    view.setInt32(CONTEXT.eip, context.eip, true);
    view.setUint32(CONTEXT.segCs, SELECTOR_USER_CODE, true);
    view.setInt32(CONTEXT.eflags, context.eflags, true);
    view.setInt32(CONTEXT.esp, context.general[ESP] ?? 0, true);
    view.setUint32(CONTEXT.segSs, SELECTOR_USER_DATA, true);
  },
  read: (view, context) => {
    context.general[EBP] = view.getInt32(CONTEXT.ebp, true);
    context.eip = view.getInt32(CONTEXT.eip, true);
    context.eflags = (view.getInt32(CONTEXT.eflags, true) & USER_EFLAGS) | FIXED_EFLAGS;
    context.general[ESP] = view.getInt32(CONTEXT.esp, true);
  },
};

const EXTENDED: Part = {
  flag: CONTEXT_EXTENDED_REGISTERS,
  from: CONTEXT.extendedRegisters,
  to: CONTEXT.extendedRegisters + EXTENDED_REGISTERS_BYTES,
  write: (view, context) => {
    writeFxsave(context, view, CONTEXT.extendedRegisters);
  },
  read: (view, context) => {
    readFxsave(context, view, CONTEXT.extendedRegisters);
  },
};

/** In the order of their addresses. */
const PARTS: readonly Part[] = [FLOATING, SEGMENTS, INTEGER, CONTROL, EXTENDED];

/** Writes the parts named by `flags` to user memory at `address`. Check `user.faulted` afterwards. */
export function writeContextRecord(user: UserMemory, address: number, context: X86Context, flags: number): void {
  user.writeU32(address + CONTEXT.contextFlags, flags);
  let from = 0;
  let to = 0;
  for (const part of PARTS) {
    if (!has(flags, part.flag)) continue;
    part.write(user.scratch, context);
    // Neighbours go together.
    if (part.from !== to) {
      user.writeScratch(address, from, to);
      from = part.from;
    }
    to = part.to;
  }
  user.writeScratch(address, from, to);
}

/**
 * Reads the parts that the record's own flags name into `context`, which is left alone if any of them can't be read:
 * check `user.faulted`. Where both name the x87 state, the extended registers have it.
 */
export function readContextRecord(user: UserMemory, address: number, context: X86Context): void {
  const named = user.readU32(address + CONTEXT.contextFlags);
  const flags = has(named, CONTEXT_EXTENDED_REGISTERS) ? named & ~(CONTEXT_FLOATING_POINT & ~CONTEXT_i386) : named;
  for (const part of PARTS) if (has(flags, part.flag)) user.readScratch(address, part.from, part.to);
  if (user.faulted) return;
  for (const part of PARTS) if (has(flags, part.flag)) part.read(user.scratch, context);
}
