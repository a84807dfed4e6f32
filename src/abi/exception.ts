/** Exception records and contexts of i386 user mode: offsets and flags. */

export const EXCEPTION_NONCONTINUABLE = 1;
export const EXCEPTION_MAXIMUM_PARAMETERS = 15;

/** `EXCEPTION_RECORD`. */
export const EXCEPTION_RECORD = {
  code: 0x00,
  flags: 0x04,
  nested: 0x08,
  address: 0x0c,
  parameterCount: 0x10,
  parameters: 0x14,
  bytes: 0x50,
} as const;

/** `CONTEXT.ContextFlags`. */
export const CONTEXT_i386 = 0x00010000;
export const CONTEXT_CONTROL = 0x00010001;
export const CONTEXT_INTEGER = 0x00010002;
export const CONTEXT_SEGMENTS = 0x00010004;
export const CONTEXT_FLOATING_POINT = 0x00010008;
export const CONTEXT_DEBUG_REGISTERS = 0x00010010;
export const CONTEXT_EXTENDED_REGISTERS = 0x00010020;
export const CONTEXT_FULL = 0x00010007;
/** What an exception handler gets to see. */
export const CONTEXT_ALL = 0x0001003f;

/** `CONTEXT` on i386. */
export const CONTEXT = {
  contextFlags: 0x00,
  floatSave: 0x1c,
  segGs: 0x8c,
  segFs: 0x90,
  segEs: 0x94,
  segDs: 0x98,
  edi: 0x9c,
  esi: 0xa0,
  ebx: 0xa4,
  edx: 0xa8,
  ecx: 0xac,
  eax: 0xb0,
  ebp: 0xb4,
  eip: 0xb8,
  segCs: 0xbc,
  eflags: 0xc0,
  esp: 0xc4,
  segSs: 0xc8,
  extendedRegisters: 0xcc,
  bytes: 0x2cc,
} as const;

/** Vectors of the processor. */
export const Vector = {
  divideError: 0,
  debug: 1,
  breakpoint: 3,
  overflow: 4,
  boundRange: 5,
  invalidOpcode: 6,
  deviceNotAvailable: 7,
  stackFault: 12,
  generalProtection: 13,
  pageFault: 14,
  floatingPoint: 16,
  alignment: 17,
  simd: 19,
  debugService: 0x2d,
  systemCall: 0x2e,
} as const;
