/**
 * Memory and strings: what compilers call without being asked, and the little that native programs need beside it.
 *
 * Invariant: the direction flag is clear whenever a routine returns.
 */
import { MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, PAGE_SIZE } from "../../abi/mm.ts";
import { STATUS_NO_MEMORY } from "../../abi/status.ts";
import { CURRENT_PROCESS, type NtdllCode } from "./code.ts";
import { at, Condition, EAX, EBP, ECX, EDI, EDX, ESI, ESP, type Register } from "./operands.ts";

const HEAP_GENERATE_EXCEPTIONS = 0x4;
/** The longest string that a counted string holds, in bytes: its terminating zero must fit too. */
const MAXIMUM_UNICODE_BYTES = 0xfffc;

export function emitMemory(code: NtdllCode): void {
  emitCopies(code);
  emitMemset(code);
  emitMemcmp(code);
  emitLengths(code);
  emitRtlInitUnicodeString(code);
  emitHeap(code);
  emitChkstk(code);
}

/** `memcpy` is `memmove`, which is right for every caller. */
function emitCopies(code: NtdllCode): void {
  const { backwards, done } = code.labels("backwards", "done");
  code.routine("memmove", "memcpy");
  code.push(ESI);
  code.push(EDI);
  code.mov(EDI, at(ESP, 12));
  code.mov(ESI, at(ESP, 16));
  code.mov(ECX, at(ESP, 20));
  // Only a target within the source is spoilt by copying upwards; the distance is unsigned for that reason.
  code.mov(EAX, EDI);
  code.sub(EAX, ESI);
  code.cmp(EAX, ECX);
  code.jumpIf(Condition.Below, backwards);
  code.mov(EDX, ECX);
  code.shiftRight(ECX, 2);
  code.repeatMove("dword");
  code.mov(ECX, EDX);
  code.and(ECX, 3);
  code.repeatMove("byte");
  code.jump(done);

  code.bind(backwards);
  code.add(ESI, ECX);
  code.decrement(ESI);
  code.add(EDI, ECX);
  code.decrement(EDI);
  code.setDirection();
  code.repeatMove("byte");
  code.clearDirection();

  code.bind(done);
  code.pop(EDI);
  code.pop(ESI);
  code.mov(EAX, at(ESP, 4));
  code.ret();
}

function emitMemset(code: NtdllCode): void {
  code.routine("memset");
  code.push(EDI);
  code.mov(EDI, at(ESP, 8));
  code.movzxByte(EAX, at(ESP, 12));
  code.mov(ECX, at(ESP, 16));
  code.multiply(EAX, 0x01010101);
  code.mov(EDX, ECX);
  code.shiftRight(ECX, 2);
  code.repeatStore("dword");
  code.mov(ECX, EDX);
  code.and(ECX, 3);
  code.repeatStore("byte");
  code.pop(EDI);
  code.mov(EAX, at(ESP, 4));
  code.ret();
}

/** The difference of the first bytes that differ, or 0. */
function emitMemcmp(code: NtdllCode): void {
  const { next, equal, done } = code.labels("next", "equal", "done");
  code.routine("memcmp");
  code.push(ESI);
  code.push(EDI);
  code.mov(ESI, at(ESP, 12));
  code.mov(EDI, at(ESP, 16));
  code.mov(ECX, at(ESP, 20));
  code.bind(next);
  code.test(ECX, ECX);
  code.jumpIf(Condition.Equal, equal);
  code.movzxByte(EAX, at(ESI));
  code.movzxByte(EDX, at(EDI));
  code.increment(ESI);
  code.increment(EDI);
  code.decrement(ECX);
  code.sub(EAX, EDX);
  code.jumpIf(Condition.Equal, next);
  code.jump(done);
  code.bind(equal);
  code.xor(EAX, EAX);
  code.bind(done);
  code.pop(EDI);
  code.pop(ESI);
  code.ret();
}

function emitLengths(code: NtdllCode): void {
  const length = (name: string, step: number, load: (to: Register) => void): void => {
    const { next, end } = code.labels("next", "end");
    code.routine(name);
    code.mov(EAX, at(ESP, 4));
    code.bind(next);
    load(ECX);
    code.test(ECX, ECX);
    code.jumpIf(Condition.Equal, end);
    code.add(EAX, step);
    code.jump(next);
    code.bind(end);
    code.sub(EAX, at(ESP, 4));
    if (step === 2) code.shiftRight(EAX, 1);
    code.ret();
  };
  length("strlen", 1, (to) => {
    code.movzxByte(to, at(EAX));
  });
  length("wcslen", 2, (to) => {
    code.movzxWord(to, at(EAX));
  });
}

/** `RtlInitUnicodeString(string, characters)`; of a longer string the first 32,766 characters count. */
function emitRtlInitUnicodeString(code: NtdllCode): void {
  const { empty, fits } = code.labels("empty", "fits");
  code.routine("RtlInitUnicodeString");
  code.frame();
  code.mov(EDX, at(EBP, 8));
  code.mov(at(EDX), 0);
  code.mov(EAX, at(EBP, 12));
  code.mov(at(EDX, 4), EAX);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Equal, empty);
  code.invoke("wcslen", EAX);
  code.add(ESP, 4);
  code.add(EAX, EAX);
  code.cmp(EAX, MAXIMUM_UNICODE_BYTES);
  code.jumpIf(Condition.BelowOrEqual, fits);
  code.mov(EAX, MAXIMUM_UNICODE_BYTES);
  code.bind(fits);
  code.mov(EDX, at(EBP, 8));
  code.movWord(at(EDX), EAX);
  code.add(EAX, 2);
  code.movWord(at(EDX, 2), EAX);
  code.bind(empty);
  code.leave();
  code.ret(8);
}

/** A heap without a heap: each block is an allocation of its own, zeroed, from 64 KiB up. */
function emitHeap(code: NtdllCode): void {
  const { some, failed, out } = code.labels("some", "failed", "out");
  const base = at(EBP, -4);
  const size = at(EBP, -8);
  code.routine("RtlAllocateHeap");
  code.frame(8);
  code.mov(base, 0);
  code.mov(EAX, at(EBP, 16));
  code.test(EAX, EAX);
  code.jumpIf(Condition.NotEqual, some);
  code.mov(EAX, 1);
  code.bind(some);
  code.mov(size, EAX);
  code.lea(EAX, base);
  code.lea(EDX, size);
  code.invoke("NtAllocateVirtualMemory", CURRENT_PROCESS, EAX, 0, EDX, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, failed);
  code.mov(EAX, base);
  code.jump(out);
  code.bind(failed);
  code.xor(EAX, EAX);
  code.test(at(EBP, 12), HEAP_GENERATE_EXCEPTIONS);
  code.jumpIf(Condition.Equal, out);
  code.invoke("RtlRaiseStatus", STATUS_NO_MEMORY);
  code.bind(out);
  code.leave();
  code.ret(12);

  const { nothing, free } = code.labels("nothing", "free");
  code.routine("RtlFreeHeap");
  code.frame(8);
  code.mov(EAX, at(EBP, 16));
  code.test(EAX, EAX);
  code.jumpIf(Condition.Equal, nothing);
  code.mov(base, EAX);
  code.mov(size, 0);
  code.lea(EAX, base);
  code.lea(EDX, size);
  code.invoke("NtFreeVirtualMemory", CURRENT_PROCESS, EAX, EDX, MEM_RELEASE);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, free);
  code.bind(nothing);
  code.mov(EAX, 1);
  code.leave();
  code.ret(12);
  code.bind(free);
  code.xor(EAX, EAX);
  code.leave();
  code.ret(12);
}

/** Takes EAX bytes of stack, touching every page on the way down so that the guard page moves along. */
function emitChkstk(code: NtdllCode): void {
  const { page, last } = code.labels("page", "last");
  code.routine("_chkstk", "_alloca_probe");
  code.push(ECX);
  code.lea(ECX, at(ESP, 8));
  code.bind(page);
  code.cmp(EAX, PAGE_SIZE);
  code.jumpIf(Condition.Below, last);
  code.sub(ECX, PAGE_SIZE);
  code.test(at(ECX), EAX);
  code.sub(EAX, PAGE_SIZE);
  code.jump(page);
  code.bind(last);
  code.sub(ECX, EAX);
  code.test(at(ECX), EAX);
  code.mov(EAX, ESP);
  code.mov(ESP, ECX);
  code.mov(ECX, at(EAX));
  // The return address, which now lies above the new stack.
  code.mov(EAX, at(EAX, 4));
  code.jumpTo(EAX);
}
