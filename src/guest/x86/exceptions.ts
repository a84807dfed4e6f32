/** From a trap of the processor to the exception that Windows makes of it. */
import { Vector } from "../../abi/exception.ts";
import {
  type NtStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_ARRAY_BOUNDS_EXCEEDED,
  STATUS_BREAKPOINT,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_FLOAT_INVALID_OPERATION,
  STATUS_ILLEGAL_INSTRUCTION,
  STATUS_INTEGER_DIVIDE_BY_ZERO,
  STATUS_INTEGER_OVERFLOW,
  STATUS_PRIVILEGED_INSTRUCTION,
  STATUS_SINGLE_STEP,
} from "../../abi/status.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import type { ExceptionRecord } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";

/** Opcodes that ring 3 may not use; a general protection fault on one of them is reported as what it is. */
const PRIVILEGED_OPCODES: ReadonlySet<number> = new Set([
  0xf4, 0xfa, 0xfb, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f,
]);

/** The exception record for the trap that the processor just took. */
export function exceptionOfTrap(k: Kernel, cpu: Cpu, faultStatus: NtStatus): ExceptionRecord {
  const { trap } = cpu;
  const address = trap.eip >>> 0;
  switch (trap.vector) {
    case Vector.divideError:
      return plain(STATUS_INTEGER_DIVIDE_BY_ZERO, address);
    case Vector.debug:
      return plain(STATUS_SINGLE_STEP, address);
    case Vector.breakpoint:
    case Vector.debugService:
      return breakpoint(cpu, trap.vector);
    case Vector.overflow:
      return plain(STATUS_INTEGER_OVERFLOW, address);
    case Vector.boundRange:
      return plain(STATUS_ARRAY_BOUNDS_EXCEEDED, address);
    case Vector.generalProtection:
      return generalProtection(k, address);
    case Vector.stackFault:
      return { code: STATUS_ACCESS_VIOLATION, flags: 0, address, parameters: [0, 0xffffffff] };
    case Vector.pageFault:
      return pageFault(cpu, faultStatus, address);
    case Vector.floatingPoint:
    case Vector.simd:
      return plain(STATUS_FLOAT_INVALID_OPERATION, address);
    case Vector.alignment:
      return plain(STATUS_DATATYPE_MISALIGNMENT, address);
    default:
      return plain(STATUS_ILLEGAL_INSTRUCTION, address);
  }
}

function plain(code: NtStatus, address: number): ExceptionRecord {
  return { code, flags: 0, address, parameters: [] };
}

/** `int 3` is reported at its own address, though EIP is behind it; `int 2d` where EIP is. */
function breakpoint(cpu: Cpu, vector: number): ExceptionRecord {
  const address = vector === Vector.breakpoint ? cpu.trap.eip - 1 : cpu.trap.eip;
  return { code: STATUS_BREAKPOINT, flags: 0, address: address >>> 0, parameters: [0] };
}

function generalProtection(k: Kernel, address: number): ExceptionRecord {
  const user = k.mm.user.begin();
  const opcode = user.readU8(address);
  if (!user.faulted && PRIVILEGED_OPCODES.has(opcode)) return plain(STATUS_PRIVILEGED_INSTRUCTION, address);
  return { code: STATUS_ACCESS_VIOLATION, flags: 0, address, parameters: [0, 0xffffffff] };
}

function pageFault(cpu: Cpu, status: NtStatus, address: number): ExceptionRecord {
  const write = (cpu.trap.errorCode & 2) !== 0 ? 1 : 0;
  return { code: status, flags: 0, address, parameters: [write, cpu.trap.faultAddress >>> 0] };
}
