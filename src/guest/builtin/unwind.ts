/**
 * `RtlUnwind`: removing frames after their handlers were told.
 *
 * Invariant: a frame leaves the thread's list only after its handler has returned, so that an unwind which a handler
 * starts meets the same frame again and is recognised as collided.
 */
import { CONTEXT, EXCEPTION_RECORD } from "../../abi/exception.ts";
import { STATUS_INVALID_DISPOSITION } from "../../abi/status.ts";
import { EXCEPTION_CHAIN_END, Teb } from "../../abi/teb.ts";
import type { NtdllCode } from "./code.ts";
import {
  argument,
  checkFrame,
  CollidedUnwind,
  ContinueSearch,
  EXCEPTION_EXIT_UNWIND,
  EXCEPTION_UNWINDING,
  FRAME_NEXT,
} from "./handlerframes.ts";
import { at, Condition, EAX, EBP, EBX, ECX, EDI, EDX, ESI, teb, type Label } from "./operands.ts";
import { captureCaller, CONTEXT_OFFSET, fillRecord, OWN_RECORD } from "./raise.ts";

const STATUS_UNWIND = 0xc0000027;
const STATUS_BAD_STACK = 0xc0000028;
const STATUS_INVALID_UNWIND_TARGET = 0xc0000029;

const UNWIND_GUARDED = OWN_RECORD - 4;

/**
 * `RtlUnwind(targetFrame, targetAddress, record, value)`: calls the handlers of all frames before the target, removes
 * them, and returns `value` to its caller. Without a target every frame goes and the thread's process ends. As in
 * Windows on i386, the target address plays no part.
 */
export function emitRtlUnwind(code: NtdllCode): void {
  const flags = at(EBX, EXCEPTION_RECORD.flags);
  const { given, targeted, next, end } = code.labels("given", "targeted", "next", "end");
  const { reached, advance, invalid, missed } = code.labels("reached", "advance", "invalid", "missed");
  code.routine("RtlUnwind");
  captureCaller(code, { argumentBytes: 16, moreBytes: EXCEPTION_RECORD.bytes + 4 });
  code.mov(EAX, argument(3));
  code.mov(at(EBP, CONTEXT_OFFSET + CONTEXT.eax), EAX);
  code.mov(EBX, argument(2));
  code.test(EBX, EBX);
  code.jumpIf(Condition.NotEqual, given);
  code.lea(EBX, at(EBP, OWN_RECORD));
  code.mov(at(EBX, EXCEPTION_RECORD.code), STATUS_UNWIND);
  fillRecord(code, OWN_RECORD, { flags: 0 });
  code.mov(EAX, at(EBP, 4));
  code.mov(at(EBX, EXCEPTION_RECORD.address), EAX);

  code.bind(given);
  code.or(flags, EXCEPTION_UNWINDING);
  code.mov(EDI, argument(0));
  code.test(EDI, EDI);
  code.jumpIf(Condition.NotEqual, targeted);
  code.or(flags, EXCEPTION_EXIT_UNWIND);
  code.bind(targeted);
  code.mov(ESI, teb(Teb.ExceptionList));

  code.bind(next);
  code.cmp(ESI, EDI);
  code.jumpIf(Condition.Equal, reached);
  code.cmp(ESI, EXCEPTION_CHAIN_END);
  code.jumpIf(Condition.Equal, end);
  emitMissedTarget(code, missed);
  checkFrame(code, invalid);
  emitUnwindHandlerCall(code, advance);
  code.invoke("RtlpRaiseNested", STATUS_INVALID_DISPOSITION, EBX);
  code.bind(advance);
  code.mov(ESI, at(ESI, FRAME_NEXT));
  code.mov(teb(Teb.ExceptionList), ESI);
  code.jump(next);

  code.bind(reached);
  code.lea(EAX, at(EBP, CONTEXT_OFFSET));
  code.invoke("NtContinue", EAX, 0);
  code.invoke("RtlpRaiseNested", EAX, EBX);
  code.bind(end);
  code.lea(EAX, at(EBP, CONTEXT_OFFSET));
  code.invoke("NtRaiseException", EBX, EAX, 0);
  code.invoke("RtlpRaiseNested", EAX, EBX);
  code.bind(missed);
  code.invoke("RtlpRaiseNested", STATUS_INVALID_UNWIND_TARGET, EBX);
  code.bind(invalid);
  code.invoke("RtlpRaiseNested", STATUS_BAD_STACK, EBX);
  code.breakpoint();
}

/** The stack grows down and frames are linked upwards, so a target below the frame in ESI was never in the list. */
function emitMissedTarget(code: NtdllCode, missed: Label): void {
  const ahead = code.label("ahead");
  code.test(EDI, EDI);
  code.jumpIf(Condition.Equal, ahead);
  code.cmp(EDI, ESI);
  code.jumpIf(Condition.Below, missed);
  code.bind(ahead);
}

/** Calls the handler in EAX of the frame in ESI. Goes to `advance` with the frame to leave in ESI, or falls through. */
function emitUnwindHandlerCall(code: NtdllCode, advance: Label): void {
  code.lea(ECX, at(EBP, CONTEXT_OFFSET));
  code.lea(EDX, at(EBP, UNWIND_GUARDED));
  code.push(EAX);
  code.push(EDX);
  code.push(ECX);
  code.push(ESI);
  code.push(EBX);
  code.mov(EDX, code.entry("RtlpCollidedGuard"));
  code.call(code.entry("RtlpExecuteHandler"));
  code.cmp(EAX, ContinueSearch);
  code.jumpIf(Condition.Equal, advance);
  const wrong = code.label("wrong");
  code.cmp(EAX, CollidedUnwind);
  code.jumpIf(Condition.NotEqual, wrong);
  code.mov(ESI, at(EBP, UNWIND_GUARDED));
  code.jump(advance);
  code.bind(wrong);
}
