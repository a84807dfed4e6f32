/**
 * Critical sections, with the layout and the protocol of Windows XP and Server 2003.
 *
 * Invariants:
 * - `LockCount` is -1 plus the number of owners, recursions and waiters; whoever raises it from -1 owns the section.
 * - The event is made when somebody waits for the first time, and of two that are made at once one is closed again.
 * - The thread that shuts the process down never waits: the owner is dead and nobody else is left.
 */
import { Teb } from "../../abi/teb.ts";
import { CriticalSection, Variable, type NtdllCode } from "./code.ts";
import { absolute, at, Condition, EAX, EBP, EBX, ECX, EDX, ESP, teb } from "./operands.ts";

const { DebugInfo, LockCount, RecursionCount, OwningThread, LockSemaphore, SpinCount } = CriticalSection;

const EVENT_ALL_ACCESS = 0x1f0003;
const SYNCHRONIZATION_EVENT = 1;

export function emitCriticalSections(code: NtdllCode): void {
  emitInitialize(code);
  emitEnter(code);
  emitTryEnter(code);
  emitLeave(code);
  emitDelete(code);
  emitWait(code);
  emitEnsureEvent(code);
}

function emitInitialize(code: NtdllCode): void {
  const initialize = (spinCount: () => void, argumentBytes: number): void => {
    spinCount();
    code.mov(EDX, at(ESP, 4));
    code.mov(at(EDX, SpinCount), ECX);
    // As later versions do, this says that no record for debuggers exists.
    code.mov(at(EDX, DebugInfo), -1);
    code.mov(at(EDX, LockCount), -1);
    for (const field of [RecursionCount, OwningThread, LockSemaphore]) code.mov(at(EDX, field), 0);
    code.xor(EAX, EAX);
    code.ret(argumentBytes);
  };
  code.routine("RtlInitializeCriticalSection");
  initialize(() => {
    code.xor(ECX, ECX);
  }, 4);
  code.routine("RtlInitializeCriticalSectionAndSpinCount");
  initialize(() => {
    code.mov(ECX, at(ESP, 8));
  }, 8);
}

function emitEnter(code: NtdllCode): void {
  const { own, again } = code.labels("own", "again");
  code.routine("RtlEnterCriticalSection");
  code.mov(EDX, at(ESP, 4));
  code.lockIncrement(at(EDX, LockCount));
  code.jumpIf(Condition.Equal, own);
  code.mov(EAX, teb(Teb.UniqueThread));
  code.cmp(at(EDX, OwningThread), EAX);
  code.jumpIf(Condition.Equal, again);
  code.invoke("RtlpWaitForCriticalSection", EDX);

  code.bind(own);
  code.mov(EDX, at(ESP, 4));
  code.mov(EAX, teb(Teb.UniqueThread));
  code.mov(at(EDX, OwningThread), EAX);
  code.mov(at(EDX, RecursionCount), 1);
  code.xor(EAX, EAX);
  code.ret(4);

  code.bind(again);
  code.increment(at(EDX, RecursionCount));
  code.xor(EAX, EAX);
  code.ret(4);
}

function emitTryEnter(code: NtdllCode): void {
  const { taken, refused } = code.labels("taken", "refused");
  code.routine("RtlTryEnterCriticalSection");
  code.mov(EDX, at(ESP, 4));
  code.mov(EAX, -1);
  code.xor(ECX, ECX);
  code.lockCompareExchange(at(EDX, LockCount), ECX);
  code.mov(ECX, teb(Teb.UniqueThread));
  code.jumpIf(Condition.NotEqual, taken);
  code.mov(at(EDX, OwningThread), ECX);
  code.mov(at(EDX, RecursionCount), 1);
  code.mov(EAX, 1);
  code.ret(4);

  code.bind(taken);
  code.xor(EAX, EAX);
  code.cmp(at(EDX, OwningThread), ECX);
  code.jumpIf(Condition.NotEqual, refused);
  code.lockIncrement(at(EDX, LockCount));
  code.increment(at(EDX, RecursionCount));
  code.mov(EAX, 1);
  code.bind(refused);
  code.ret(4);
}

function emitLeave(code: NtdllCode): void {
  const { recursive, free, failed } = code.labels("recursive", "free", "failed");
  code.routine("RtlLeaveCriticalSection");
  code.mov(EDX, at(ESP, 4));
  code.decrement(at(EDX, RecursionCount));
  code.jumpIf(Condition.NotEqual, recursive);
  code.mov(at(EDX, OwningThread), 0);
  code.lockDecrement(at(EDX, LockCount));
  code.jumpIf(Condition.Negative, free);
  code.invoke("RtlpEnsureCriticalSectionEvent", EDX);
  code.invoke("NtSetEvent", EAX, 0);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, failed);
  code.bind(free);
  code.xor(EAX, EAX);
  code.ret(4);

  code.bind(recursive);
  code.lockDecrement(at(EDX, LockCount));
  code.xor(EAX, EAX);
  code.ret(4);

  code.bind(failed);
  code.invoke("RtlRaiseStatus", EAX);
  code.breakpoint();
}

function emitDelete(code: NtdllCode): void {
  const { unused } = code.labels("unused");
  code.routine("RtlDeleteCriticalSection");
  code.frame();
  code.mov(EDX, at(EBP, 8));
  code.xor(EAX, EAX);
  code.mov(ECX, at(EDX, LockSemaphore));
  code.test(ECX, ECX);
  code.jumpIf(Condition.Equal, unused);
  code.invoke("NtClose", ECX);
  code.bind(unused);
  code.mov(EDX, at(EBP, 8));
  for (const field of [DebugInfo, LockCount, RecursionCount, OwningThread, LockSemaphore, SpinCount])
    code.mov(at(EDX, field), 0);
  code.leave();
  code.ret(4);
}

/** `RtlpWaitForCriticalSection(section)`: returns when the section is the caller's to take. */
function emitWait(code: NtdllCode): void {
  const { wait, failed } = code.labels("wait", "failed");
  code.internal("RtlpWaitForCriticalSection");
  code.frame();
  code.cmp(absolute(Variable.shutdownInProgress), 0);
  code.jumpIf(Condition.Equal, wait);
  code.mov(EAX, teb(Teb.UniqueThread));
  code.cmp(absolute(Variable.shutdownThread), EAX);
  code.jumpIf(Condition.NotEqual, wait);
  code.mov(EDX, at(EBP, 8));
  code.mov(at(EDX, LockCount), 0);
  code.leave();
  code.ret(4);

  code.bind(wait);
  code.invoke("RtlpEnsureCriticalSectionEvent", at(EBP, 8));
  code.invoke("NtWaitForSingleObject", EAX, 0, 0);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, failed);
  code.leave();
  code.ret(4);
  code.bind(failed);
  code.invoke("RtlRaiseStatus", EAX);
  code.breakpoint();
}

/** `RtlpEnsureCriticalSectionEvent(section)`: the handle of the section's event. Raises when none can be made. */
function emitEnsureEvent(code: NtdllCode): void {
  const handle = at(EBP, -4);
  const { made, failed } = code.labels("made", "failed");
  code.internal("RtlpEnsureCriticalSectionEvent");
  code.frame(4);
  code.push(EBX);
  code.mov(EDX, at(EBP, 8));
  code.mov(EBX, at(EDX, LockSemaphore));
  code.test(EBX, EBX);
  code.jumpIf(Condition.NotEqual, made);
  code.lea(EAX, handle);
  code.invoke("NtCreateEvent", EAX, EVENT_ALL_ACCESS, 0, SYNCHRONIZATION_EVENT, 0);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, failed);
  code.mov(EBX, handle);
  code.mov(EDX, at(EBP, 8));
  code.xor(EAX, EAX);
  code.lockCompareExchange(at(EDX, LockSemaphore), EBX);
  code.jumpIf(Condition.Equal, made);
  code.push(EAX);
  code.invoke("NtClose", EBX);
  code.pop(EBX);

  code.bind(made);
  code.mov(EAX, EBX);
  code.mov(EBX, at(EBP, -8));
  code.leave();
  code.ret(4);
  code.bind(failed);
  code.invoke("RtlRaiseStatus", EAX);
  code.breakpoint();
}
