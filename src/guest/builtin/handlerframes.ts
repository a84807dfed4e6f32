/**
 * Frames of exception handlers: what makes one trustworthy, and how its handler is called.
 *
 * Invariants:
 * - A frame is used only if it lies within the thread's stack, aligned, and its handler does not lie there.
 * - While a handler runs, a frame of ours guards it, so that an exception within it is recognised as nested and an unwind
 *   that meets an unwind as collided.
 */
import { EXCEPTION_RECORD } from "../../abi/exception.ts";
import { Teb } from "../../abi/teb.ts";
import type { NtdllCode } from "./code.ts";
import { at, Condition, EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, teb, type Label, type Memory } from "./operands.ts";

export const EXCEPTION_UNWINDING = 0x2;
export const EXCEPTION_EXIT_UNWIND = 0x4;
export const EXCEPTION_STACK_INVALID = 0x8;
export const EXCEPTION_NESTED_CALL = 0x10;
export const EXCEPTION_UNWIND: number = EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND;

/** `EXCEPTION_DISPOSITION`: what a handler answers. */
export const ContinueExecution = 0;
export const ContinueSearch = 1;
export const NestedException = 2;
export const CollidedUnwind = 3;

/** `EXCEPTION_REGISTRATION_RECORD`, and in our guard frames the frame that is guarded. */
export const FRAME_NEXT = 0;
const FRAME_HANDLER = 4;
const FRAME_BYTES = 8;
const FRAME_GUARDED = 8;

/** Arguments of a routine that has a frame. */
export function argument(index: number): Memory {
  return at(EBP, 8 + 4 * index);
}

/** Jumps to `invalid` unless the frame in ESI may be trusted. Leaves its handler in EAX. */
export function checkFrame(code: NtdllCode, invalid: Label): void {
  const outside = code.label("outside");
  code.cmp(ESI, teb(Teb.StackLimit));
  code.jumpIf(Condition.Below, invalid);
  code.lea(EAX, at(ESI, FRAME_BYTES));
  code.cmp(EAX, teb(Teb.StackBase));
  code.jumpIf(Condition.Above, invalid);
  code.test(ESI, 3);
  code.jumpIf(Condition.NotEqual, invalid);
  code.mov(EAX, at(ESI, FRAME_HANDLER));
  code.cmp(EAX, teb(Teb.StackLimit));
  code.jumpIf(Condition.Below, outside);
  code.cmp(EAX, teb(Teb.StackBase));
  code.jumpIf(Condition.Below, invalid);
  code.bind(outside);
}

export function saveRegisters(code: NtdllCode): void {
  code.push(EBX);
  code.push(ESI);
  code.push(EDI);
}

/** Undoes {@link saveRegisters} and the frame, wherever ESP is. */
export function restoreRegisters(code: NtdllCode, localBytes: number): void {
  code.lea(ESP, at(EBP, -localBytes - 12));
  code.pop(EDI);
  code.pop(ESI);
  code.pop(EBX);
  code.leave();
}

/** Emits what calls handlers. */
export function emitFrames(code: NtdllCode): void {
  emitExecuteHandler(code);
  emitGuards(code);
}

/**
 * `RtlpExecuteHandler(record, frame, context, guarded, handler)`, with the guard that belongs to it in EDX. Handlers are
 * written in every language, so no register but ESP, as our guard frame keeps it, is taken for preserved.
 */
function emitExecuteHandler(code: NtdllCode): void {
  code.internal("RtlpExecuteHandler");
  code.frame();
  saveRegisters(code);
  code.push(argument(1));
  code.push(EDX);
  code.push(teb(Teb.ExceptionList));
  code.mov(teb(Teb.ExceptionList), ESP);
  for (const index of [3, 2, 1, 0]) code.push(argument(index));
  code.call(argument(4));
  code.mov(ESP, teb(Teb.ExceptionList));
  code.pop(teb(Teb.ExceptionList));
  code.add(ESP, 8);
  code.pop(EDI);
  code.pop(ESI);
  code.pop(EBX);
  code.pop(EBP);
  code.ret(20);
}

/** Handlers of the guard frames: `(record, frame, context, guarded)`, and the caller removes the arguments. */
function emitGuards(code: NtdllCode): void {
  const report = (disposition: number): void => {
    code.mov(ECX, at(ESP, 8));
    code.mov(EDX, at(ESP, 16));
    code.mov(EAX, at(ECX, FRAME_GUARDED));
    code.mov(at(EDX), EAX);
    code.mov(EAX, disposition);
    code.ret();
  };
  const testUnwinding = (): void => {
    code.mov(ECX, at(ESP, 4));
    code.mov(EAX, ContinueSearch);
    code.test(at(ECX, EXCEPTION_RECORD.flags), EXCEPTION_UNWIND);
  };

  const unwinding = code.label("unwinding");
  code.internal("RtlpNestedGuard");
  testUnwinding();
  code.jumpIf(Condition.NotEqual, unwinding);
  report(NestedException);
  code.bind(unwinding);
  code.ret();

  const searching = code.label("searching");
  code.internal("RtlpCollidedGuard");
  testUnwinding();
  code.jumpIf(Condition.Equal, searching);
  report(CollidedUnwind);
  code.bind(searching);
  code.ret();
}
