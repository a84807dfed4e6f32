/**
 * Structured exceptions in user mode: from the kernel's upcalls to the handlers of the thread.
 *
 * Invariant: whoever is asked about an exception, in this order, is asked once: the frames from the innermost, the
 * program's filter, a debugger for the second time.
 */
import { EXCEPTION_NONCONTINUABLE, EXCEPTION_RECORD } from "../../abi/exception.ts";
import { STATUS_INVALID_DISPOSITION, STATUS_NONCONTINUABLE_EXCEPTION } from "../../abi/status.ts";
import { EXCEPTION_CHAIN_END, Teb } from "../../abi/teb.ts";
import { CURRENT_PROCESS, Variable, type NtdllCode } from "./code.ts";
import {
  argument,
  checkFrame,
  ContinueExecution,
  ContinueSearch,
  emitFrames,
  EXCEPTION_NESTED_CALL,
  EXCEPTION_STACK_INVALID,
  EXCEPTION_UNWIND,
  FRAME_NEXT,
  NestedException,
  restoreRegisters,
  saveRegisters,
} from "./handlerframes.ts";
import { absolute, at, Condition, EAX, EBP, EBX, ECX, EDX, ESI, ESP, teb } from "./operands.ts";
import { emitRaise, fillRecord } from "./raise.ts";
import { emitRtlUnwind } from "./unwind.ts";

/** What a filter answers. */
const EXCEPTION_EXECUTE_HANDLER = 1;
const EXCEPTION_CONTINUE_EXECUTION = -1;

export function emitExceptions(code: NtdllCode): void {
  emitUpcalls(code);
  emitRtlDispatchException(code);
  emitRtlUnwind(code);
  emitFrames(code);
  emitRaise(code);
  emitLastResortHandler(code);
}

function emitUpcalls(code: NtdllCode): void {
  // Stack: return address, context, three arguments, routine.
  code.routine("KiUserApcDispatcher");
  code.mov(EBP, ESP);
  code.push(at(EBP, 16));
  code.push(at(EBP, 12));
  code.push(at(EBP, 8));
  code.call(at(EBP, 20));
  code.invoke("NtContinue", at(EBP, 4), 1);
  code.invoke("RtlRaiseStatus", EAX);
  code.breakpoint();

  // Stack: exception record, context.
  const unhandled = code.label("unhandled");
  const failed = code.label("failed");
  code.routine("KiUserExceptionDispatcher");
  code.mov(EBX, at(ESP));
  code.mov(ESI, at(ESP, 4));
  code.invoke("RtlDispatchException", EBX, ESI);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Equal, unhandled);
  code.invoke("NtContinue", ESI, 0);
  code.jump(failed);
  code.bind(unhandled);
  code.invoke("NtRaiseException", EBX, ESI, 0);
  code.bind(failed);
  code.invoke("RtlpRaiseNested", EAX, EBX);
  code.breakpoint();

  // Entered as if the interrupted code had called it. Returns the status that was raised.
  const record = -EXCEPTION_RECORD.bytes;
  code.routine("KiRaiseUserExceptionDispatcher");
  code.frame(EXCEPTION_RECORD.bytes);
  code.mov(EAX, teb(Teb.ExceptionCode));
  code.mov(at(EBP, record + EXCEPTION_RECORD.code), EAX);
  fillRecord(code, record, { flags: 0 });
  code.lea(EAX, at(EBP, record));
  code.invoke("RtlRaiseException", EAX);
  code.mov(EAX, at(EBP, record + EXCEPTION_RECORD.code));
  code.leave();
  code.ret();
}

/** `RtlDispatchException(record, context)`: whether a handler wants the context to be continued. */
function emitRtlDispatchException(code: NtdllCode): void {
  const guarded = at(EBP, -4);
  const nestedFrame = at(EBP, -8);
  const flags = at(EBX, EXCEPTION_RECORD.flags);
  const { next, search, nested, proceed } = code.labels("next", "search", "nested", "proceed");
  const { invalid, unhandled, handled, out } = code.labels("invalid", "unhandled", "handled", "out");
  code.routine("RtlDispatchException");
  code.frame(8);
  saveRegisters(code);
  code.mov(EBX, argument(0));
  code.mov(nestedFrame, 0);
  code.mov(ESI, teb(Teb.ExceptionList));

  code.bind(next);
  code.cmp(ESI, EXCEPTION_CHAIN_END);
  code.jumpIf(Condition.Equal, unhandled);
  checkFrame(code, invalid);
  code.mov(EDX, code.entry("RtlpNestedGuard"));
  code.lea(ECX, guarded);
  code.invoke("RtlpExecuteHandler", EBX, ESI, argument(1), ECX, EAX);
  // The frame whose handler was interrupted has had its turn: from here on the exception is not nested any more.
  code.cmp(ESI, nestedFrame);
  code.jumpIf(Condition.NotEqual, proceed);
  code.and(flags, ~EXCEPTION_NESTED_CALL);
  code.mov(nestedFrame, 0);

  code.bind(proceed);
  code.cmp(EAX, ContinueSearch);
  code.jumpIf(Condition.Equal, search);
  code.cmp(EAX, NestedException);
  code.jumpIf(Condition.Equal, nested);
  code.cmp(EAX, ContinueExecution);
  code.jumpIf(Condition.Equal, handled);
  code.invoke("RtlpRaiseNested", STATUS_INVALID_DISPOSITION, EBX);

  code.bind(nested);
  code.or(flags, EXCEPTION_NESTED_CALL);
  code.mov(EAX, guarded);
  code.cmp(EAX, nestedFrame);
  code.jumpIf(Condition.BelowOrEqual, search);
  code.mov(nestedFrame, EAX);
  code.bind(search);
  code.mov(ESI, at(ESI, FRAME_NEXT));
  code.jump(next);

  code.bind(handled);
  code.mov(EAX, 1);
  code.test(flags, EXCEPTION_NONCONTINUABLE);
  code.jumpIf(Condition.Equal, out);
  code.invoke("RtlpRaiseNested", STATUS_NONCONTINUABLE_EXCEPTION, EBX);

  code.bind(invalid);
  code.or(flags, EXCEPTION_STACK_INVALID);
  code.bind(unhandled);
  code.xor(EAX, EAX);
  code.bind(out);
  restoreRegisters(code, 8);
  code.ret(8);
}

/**
 * The handler of every thread's outermost frame: asks the program's filter, then a debugger for the second time, then
 * ends the process with the code of the exception.
 */
function emitLastResortHandler(code: NtdllCode): void {
  const { search, secondChance, terminate, out } = code.labels("search", "secondChance", "terminate", "out");
  code.internal("RtlpLastResortHandler");
  code.frame();
  code.mov(ECX, argument(0));
  code.test(at(ECX, EXCEPTION_RECORD.flags), EXCEPTION_UNWIND);
  code.jumpIf(Condition.NotEqual, search);
  code.mov(EDX, absolute(Variable.unhandledExceptionFilter));
  code.test(EDX, EDX);
  code.jumpIf(Condition.Equal, secondChance);
  // The filter gets a pointer to EXCEPTION_POINTERS.
  code.push(argument(2));
  code.push(argument(0));
  code.mov(EAX, ESP);
  code.push(EAX);
  code.call(EDX);
  code.cmp(EAX, EXCEPTION_EXECUTE_HANDLER);
  code.jumpIf(Condition.Equal, terminate);
  code.cmp(EAX, EXCEPTION_CONTINUE_EXECUTION);
  code.mov(EAX, ContinueExecution);
  code.jumpIf(Condition.Equal, out);

  code.bind(secondChance);
  code.invoke("NtRaiseException", argument(0), argument(2), 0);
  code.bind(terminate);
  code.mov(ECX, argument(0));
  code.invoke("NtTerminateProcess", CURRENT_PROCESS, at(ECX, EXCEPTION_RECORD.code));
  code.breakpoint();

  code.bind(search);
  code.mov(EAX, ContinueSearch);
  code.bind(out);
  code.leave();
  code.ret();

  // Returns the filter that was set before.
  code.routine("RtlSetUnhandledExceptionFilter");
  code.mov(EAX, absolute(Variable.unhandledExceptionFilter));
  code.mov(EDX, at(ESP, 4));
  code.mov(absolute(Variable.unhandledExceptionFilter), EDX);
  code.ret(4);
}
