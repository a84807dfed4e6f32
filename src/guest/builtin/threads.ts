/**
 * How threads and processes begin and end in user mode.
 *
 * Invariants:
 * - TLS callbacks run under the loader lock, so that no two run at once and none runs while the process shuts down.
 * - A process is shut down by one thread, after the others are dead; its callbacks run once, even if one of them exits
 *   the process again with another code.
 */
import { Peb, Teb } from "../../abi/teb.ts";
import { CURRENT_PROCESS, CURRENT_THREAD, Variable, type NtdllCode } from "./code.ts";
import { absolute, at, Condition, EAX, EBP, EBX, ECX, EDX, ESI, ESP, teb, type Memory } from "./operands.ts";

const DLL_PROCESS_DETACH = 0;
const DLL_PROCESS_ATTACH = 1;
const DLL_THREAD_ATTACH = 2;
const DLL_THREAD_DETACH = 3;

const THREAD_AM_I_LAST_THREAD = 12;
const THREAD_ALL_ACCESS = 0x1fffff;
const THREAD_CREATE_FLAGS_CREATE_SUSPENDED = 1;
const PS_ATTRIBUTE_CLIENT_ID = 0x10003;

export function emitThreads(code: NtdllCode): void {
  emitLdrInitializeThunk(code);
  emitCallTlsCallbacks(code);
  emitRtlUserThreadStart(code);
  emitRtlExitUserThread(code);
  emitRtlExitUserProcess(code);
  emitRtlCreateUserThread(code);
  emitBreakpoints(code);
  emitEnvironmentBlocks(code);
  code.variable("RundownTlsCallbacks", Variable.tlsCallbacks);
}

/**
 * The first code of every thread: `LdrInitializeThunk(context, 0, 0, 0)`. Whichever thread comes first initialises the
 * process, which is not always the initial thread: another process may have started one in it.
 */
function emitLdrInitializeThunk(code: NtdllCode): void {
  const notify = code.label("notify");
  code.routine("LdrInitializeThunk");
  code.frame();
  code.invoke("RtlEnterCriticalSection", Variable.loaderLock);
  code.mov(ESI, DLL_THREAD_ATTACH);
  code.cmp(absolute(Variable.processInitialized), 0);
  code.jumpIf(Condition.NotEqual, notify);
  code.mov(absolute(Variable.processInitialized), 1);
  code.mov(EAX, teb(Teb.ProcessEnvironmentBlock));
  code.mov(at(EAX, Peb.LoaderLock), Variable.loaderLock);
  code.mov(at(EAX, Peb.FastPebLock), Variable.pebLock);
  code.mov(ESI, DLL_PROCESS_ATTACH);

  code.bind(notify);
  code.invoke("LdrpCallTlsCallbacks", ESI);
  code.invoke("RtlLeaveCriticalSection", Variable.loaderLock);
  code.invoke("NtContinue", at(EBP, 8), 1);
  code.invoke("RtlRaiseStatus", EAX);
  code.breakpoint();
}

/** `LdrpCallTlsCallbacks(reason)`: each callback gets (image base, reason, 0). */
function emitCallTlsCallbacks(code: NtdllCode): void {
  const next = code.label("next");
  const done = code.label("done");
  code.internal("LdrpCallTlsCallbacks");
  code.frame();
  code.push(EBX);
  code.push(ESI);
  code.mov(ESI, absolute(Variable.tlsCallbacks));
  code.test(ESI, ESI);
  code.jumpIf(Condition.Equal, done);
  // A callback that was declared with the wrong calling convention must not move our stack.
  code.mov(EBX, ESP);

  code.bind(next);
  code.mov(EAX, at(ESI));
  code.add(ESI, 4);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Equal, done);
  code.mov(EDX, teb(Teb.ProcessEnvironmentBlock));
  code.push(0);
  code.push(at(EBP, 8));
  code.push(at(EDX, Peb.ImageBaseAddress));
  code.call(EAX);
  code.mov(ESP, EBX);
  code.jump(next);

  code.bind(done);
  code.pop(ESI);
  code.pop(EBX);
  code.leave();
  code.ret(4);
}

/** Entered by NtContinue, without a return address: EAX is the thread's routine, EBX its argument. */
function emitRtlUserThreadStart(code: NtdllCode): void {
  code.routine("RtlUserThreadStart");
  code.xor(EBP, EBP);
  code.push(code.entry("RtlpLastResortHandler"));
  code.push(teb(Teb.ExceptionList));
  code.mov(teb(Teb.ExceptionList), ESP);
  code.push(EBX);
  code.call(EAX);
  code.invoke("RtlExitUserThread", EAX);
  code.breakpoint();
}

/** `RtlExitUserThread(status)`: the last thread of a process ends the process. */
function emitRtlExitUserThread(code: NtdllCode): void {
  const last = at(EBP, -4);
  const others = code.label("others");
  code.routine("RtlExitUserThread");
  code.frame(4);
  code.mov(last, 0);
  code.lea(EAX, last);
  code.invoke("NtQueryInformationThread", CURRENT_THREAD, THREAD_AM_I_LAST_THREAD, EAX, 4, 0);
  code.cmp(last, 0);
  code.jumpIf(Condition.Equal, others);
  code.invoke("RtlExitUserProcess", at(EBP, 8));

  code.bind(others);
  code.invoke("RtlEnterCriticalSection", Variable.loaderLock);
  code.invoke("LdrpCallTlsCallbacks", DLL_THREAD_DETACH);
  code.invoke("RtlLeaveCriticalSection", Variable.loaderLock);
  code.mov(EAX, teb(Teb.Self));
  code.movByte(at(EAX, Teb.FreeStackOnTermination), 1);
  code.invoke("NtTerminateThread", CURRENT_THREAD, at(EBP, 8));
  code.breakpoint();
}

/**
 * `RtlExitUserProcess(status)`. The locks are taken first, so that no thread dies holding one of them: a thread that
 * never gives one back keeps the process from ending, as it does in Windows.
 */
function emitRtlExitUserProcess(code: NtdllCode): void {
  const end = code.label("end");
  code.routine("RtlExitUserProcess");
  code.frame();
  code.invoke("RtlEnterCriticalSection", Variable.loaderLock);
  code.invoke("RtlEnterCriticalSection", Variable.pebLock);
  code.invoke("NtTerminateProcess", 0, at(EBP, 8));
  code.cmp(absolute(Variable.shutdownInProgress), 0);
  code.jumpIf(Condition.NotEqual, end);
  code.mov(EAX, teb(Teb.UniqueThread));
  code.mov(absolute(Variable.shutdownThread), EAX);
  code.mov(absolute(Variable.shutdownInProgress), 1);
  code.invoke("LdrpCallTlsCallbacks", DLL_PROCESS_DETACH);

  code.bind(end);
  code.invoke("NtTerminateProcess", CURRENT_PROCESS, at(EBP, 8));
  code.breakpoint();
}

/** Local variables of RtlCreateUserThread, relative to EBP. */
const THREAD_HANDLE = -4;
const ATTRIBUTE_LIST = -24;
const OBJECT_ATTRIBUTES = -48;

/**
 * `RtlCreateUserThread(process, securityDescriptor, suspended, zeroBits, reserve, commit, routine, argument, handle,
 * clientId)`; the last two may be null.
 */
function emitRtlCreateUserThread(code: NtdllCode): void {
  const argument = (index: number): Memory => at(EBP, 8 + 4 * index);
  const { running, keep, done } = code.labels("running", "keep", "done");
  code.routine("RtlCreateUserThread");
  code.frame(-OBJECT_ATTRIBUTES);
  code.push(EBX);
  emitObjectAttributes(code, argument(1));
  emitAttributeList(code, argument(9));

  code.mov(EBX, 0);
  code.cmpByte(argument(2), 0);
  code.jumpIf(Condition.Equal, running);
  code.mov(EBX, THREAD_CREATE_FLAGS_CREATE_SUSPENDED);
  code.bind(running);
  code.lea(ECX, at(EBP, THREAD_HANDLE));
  code.lea(EAX, at(EBP, OBJECT_ATTRIBUTES));
  const start = [argument(6), argument(7)];
  const stack = [argument(3), argument(5), argument(4)];
  code.invoke("NtCreateThreadEx", ECX, THREAD_ALL_ACCESS, EAX, argument(0), ...start, EBX, ...stack, EDX);
  code.test(EAX, EAX);
  code.jumpIf(Condition.Negative, done);

  code.mov(EBX, EAX);
  code.mov(EDX, argument(8));
  code.mov(EAX, at(EBP, THREAD_HANDLE));
  code.test(EDX, EDX);
  code.jumpIf(Condition.NotEqual, keep);
  code.invoke("NtClose", EAX);
  code.mov(EAX, EBX);
  code.jump(done);
  code.bind(keep);
  code.mov(at(EDX), EAX);
  code.mov(EAX, EBX);
  code.bind(done);
  code.mov(EBX, at(EBP, OBJECT_ATTRIBUTES - 4));
  code.leave();
  code.ret(40);
}

/** Length, RootDirectory, ObjectName, Attributes, SecurityDescriptor, SecurityQualityOfService. */
function emitObjectAttributes(code: NtdllCode, securityDescriptor: Memory): void {
  code.mov(EAX, securityDescriptor);
  for (const [index, value] of [24, 0, 0, 0, EAX, 0].entries()) code.mov(at(EBP, OBJECT_ATTRIBUTES + 4 * index), value);
}

/** Leaves in EDX a list that asks for the client id, or 0 when the caller wants none. */
function emitAttributeList(code: NtdllCode, clientId: Memory): void {
  const { listed } = code.labels("listed");
  code.mov(EDX, clientId);
  // TotalLength; Attribute, Size, Value, ReturnLength.
  const list = [20, PS_ATTRIBUTE_CLIENT_ID, 8, EDX, 0];
  for (const [index, value] of list.entries()) code.mov(at(EBP, ATTRIBUTE_LIST + 4 * index), value);
  code.test(EDX, EDX);
  code.jumpIf(Condition.Equal, listed);
  code.lea(EDX, at(EBP, ATTRIBUTE_LIST));
  code.bind(listed);
}

/** `DbgBreakPoint()`, and the routine of the thread that a debugger starts in a process to stop it. */
function emitBreakpoints(code: NtdllCode): void {
  code.routine("DbgBreakPoint", "DbgUserBreakPoint");
  code.breakpoint();
  code.ret();

  const quiet = code.label("quiet");
  code.routine("DbgUiRemoteBreakin");
  code.mov(EAX, teb(Teb.ProcessEnvironmentBlock));
  code.cmpByte(at(EAX, Peb.BeingDebugged), 0);
  code.jumpIf(Condition.Equal, quiet);
  code.call(code.entry("DbgBreakPoint"));
  code.bind(quiet);
  code.invoke("RtlExitUserThread", 0);
  code.breakpoint();
}

function emitEnvironmentBlocks(code: NtdllCode): void {
  code.routine("NtCurrentTeb");
  code.mov(EAX, teb(Teb.Self));
  code.ret();

  code.routine("RtlGetCurrentPeb");
  code.mov(EAX, teb(Teb.ProcessEnvironmentBlock));
  code.ret();

  code.routine("RtlAcquirePebLock");
  code.invoke("RtlEnterCriticalSection", Variable.pebLock);
  code.ret();

  code.routine("RtlReleasePebLock");
  code.invoke("RtlLeaveCriticalSection", Variable.pebLock);
  code.ret();
}
