/**
 * Raising exceptions from user mode.
 *
 * Invariant: what raises never returns to its caller except through NtContinue. If the kernel refuses to raise, the
 * process ends with the kernel's status; Windows would raise that, until the stack is used up.
 */
import { CONTEXT, CONTEXT_FULL, EXCEPTION_NONCONTINUABLE, EXCEPTION_RECORD } from "../../abi/exception.ts";
import { Peb, Teb } from "../../abi/teb.ts";
import { CURRENT_PROCESS, type NtdllCode } from "./code.ts";
import { argument } from "./handlerframes.ts";
import {
  at,
  Condition,
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  ESI,
  ESP,
  Segment,
  teb,
  type Memory,
  type Register,
} from "./operands.ts";

/** Relative to EBP, where {@link captureCaller} leaves the context, and below it where records are made. */
export const CONTEXT_OFFSET: number = -CONTEXT.bytes;
export const OWN_RECORD: number = CONTEXT_OFFSET - EXCEPTION_RECORD.bytes;

/** Fills a record at EBP + `offset`, but for its code and address. */
export function fillRecord(code: NtdllCode, offset: number, { flags }: { flags: number }): void {
  code.mov(at(EBP, offset + EXCEPTION_RECORD.flags), flags);
  code.mov(at(EBP, offset + EXCEPTION_RECORD.nested), 0);
  code.mov(at(EBP, offset + EXCEPTION_RECORD.parameterCount), 0);
}

/**
 * Sets up a frame with the caller's CONTEXT below EBP, and `moreBytes` below that. The context continues behind the call,
 * with the arguments removed. Changes EAX only, after saving it.
 */
export function captureCaller(code: NtdllCode, sizes: { argumentBytes: number; moreBytes: number }): void {
  const field = (offset: number): Memory => at(EBP, CONTEXT_OFFSET + offset);
  code.push(EBP);
  code.mov(EBP, ESP);
  // Not `sub`, which would change the flags before they are saved.
  code.lea(ESP, at(ESP, CONTEXT_OFFSET - sizes.moreBytes));
  code.pushFlags();
  code.pop(field(CONTEXT.eflags));
  const registers: readonly (readonly [number, Register])[] = [
    [CONTEXT.eax, EAX],
    [CONTEXT.ecx, ECX],
    [CONTEXT.edx, EDX],
    [CONTEXT.ebx, EBX],
    [CONTEXT.esi, ESI],
    [CONTEXT.edi, EDI],
  ];
  for (const [offset, register] of registers) code.mov(field(offset), register);
  code.mov(EAX, at(EBP));
  code.mov(field(CONTEXT.ebp), EAX);
  code.mov(EAX, at(EBP, 4));
  code.mov(field(CONTEXT.eip), EAX);
  code.lea(EAX, at(EBP, 8 + sizes.argumentBytes));
  code.mov(field(CONTEXT.esp), EAX);
  const segments = [
    [CONTEXT.segCs, Segment.cs],
    [CONTEXT.segDs, Segment.ds],
    [CONTEXT.segEs, Segment.es],
    [CONTEXT.segFs, Segment.fs],
    [CONTEXT.segGs, Segment.gs],
    [CONTEXT.segSs, Segment.ss],
  ] as const;
  for (const [offset, segment] of segments) {
    code.movSegment(EAX, segment);
    code.mov(field(offset), EAX);
  }
  code.mov(field(CONTEXT.contextFlags), CONTEXT_FULL);
}

export function emitRaise(code: NtdllCode): void {
  // `RtlRaiseException(record)`
  code.routine("RtlRaiseException");
  captureCaller(code, { argumentBytes: 4, moreBytes: 0 });
  code.mov(EBX, argument(0));
  code.jump(code.entry("RtlpRaise"));

  // `RtlRaiseStatus(status)`
  code.routine("RtlRaiseStatus");
  captureCaller(code, { argumentBytes: 4, moreBytes: EXCEPTION_RECORD.bytes });
  emitOwnRecord(code);
  code.jump(code.entry("RtlpRaise"));

  // `RtlpRaiseNested(status, record)`: raises a status that `record` led to.
  code.internal("RtlpRaiseNested");
  captureCaller(code, { argumentBytes: 8, moreBytes: EXCEPTION_RECORD.bytes });
  emitOwnRecord(code);
  code.mov(EAX, argument(1));
  code.mov(at(EBX, EXCEPTION_RECORD.nested), EAX);
  code.jump(code.entry("RtlpRaise"));

  emitRaiseTail(code);
}

/** Makes EBX point to a record of the status that is the first argument, which cannot be continued from. */
function emitOwnRecord(code: NtdllCode): void {
  code.lea(EBX, at(EBP, OWN_RECORD));
  code.mov(EAX, argument(0));
  code.mov(at(EBX, EXCEPTION_RECORD.code), EAX);
  fillRecord(code, OWN_RECORD, { flags: EXCEPTION_NONCONTINUABLE });
}

/** Raises the record in EBX at the caller whose context was captured. A debugger gets to see it before the handlers. */
function emitRaiseTail(code: NtdllCode): void {
  const { debugged, unhandled, failed } = code.labels("debugged", "unhandled", "failed");
  code.internal("RtlpRaise");
  code.mov(EAX, at(EBP, 4));
  code.mov(at(EBX, EXCEPTION_RECORD.address), EAX);
  code.lea(ESI, at(EBP, CONTEXT_OFFSET));
  code.mov(EAX, teb(Teb.ProcessEnvironmentBlock));
  code.cmpByte(at(EAX, Peb.BeingDebugged), 0);
  code.jumpIf(Condition.NotEqual, debugged);
  code.invoke("RtlDispatchException", EBX, ESI);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Equal, unhandled);
  code.invoke("NtContinue", ESI, 0);
  code.jump(failed);
  code.bind(debugged);
  code.invoke("NtRaiseException", EBX, ESI, 1);
  code.jump(failed);
  code.bind(unhandled);
  code.invoke("NtRaiseException", EBX, ESI, 0);
  code.bind(failed);
  code.invoke("NtTerminateProcess", CURRENT_PROCESS, EAX);
  code.breakpoint();
}
