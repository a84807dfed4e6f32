/**
 * What a debugger that attaches is told of the past: the process, each of its threads, each of its images, as if they
 * had just begun. The threads are suspended until their event is answered, and their rundown protection is held, so a
 * thread that is killed meanwhile waits until the debugger knows of it (D34).
 */
import { CT_SYSTEM_THREAD } from "../abi/ps.ts";
import { failure, type NtResult, NT_SUCCESS, type NtStatus, STATUS_UNSUCCESSFUL, success } from "../abi/status.ts";
import { Peb } from "../abi/teb.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import type { Kernel } from "../kernel.ts";
import { imageViewAt } from "../mm/imageview.ts";
import { UserMemory } from "../mm/usermemory.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { hasCrossThreadFlag } from "../ps/flags.ts";
import { PsGetNextProcessThread } from "../ps/iterate.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import { PsResumeThread, PsSuspendThread } from "../ps/suspend.ts";
import type { Blocking } from "../sim/blocking.ts";
import { describeImage } from "./image.ts";
import {
  DEBUG_EVENT_PROTECT_FAILED,
  DEBUG_EVENT_RELEASE,
  DEBUG_EVENT_SUSPEND,
  type DbgkMessage,
  type DebugObject,
} from "./objects.ts";
import { fileOf, queueFakeMessage } from "./queue.ts";

/** Modules that are told of at most: the list is the program's, and may be a ring. */
const MAXIMUM_MODULES = 500;
/** `PEB_LDR_DATA.InLoadOrderModuleList`, and `LDR_DATA_TABLE_ENTRY.DllBase`. */
const LDR_IN_LOAD_ORDER = 0x0c;
const LDR_ENTRY_DLL_BASE = 0x18;

/**
 * Queues the fake events of a process.
 * @returns the last thread that was told of, referenced; UNSUCCESSFUL if no thread is left to begin with; errors of
 *   {@link queueFakeMessage}. Events that were queued before a failure are still there, for the caller to take back
 */
export function* DbgkpPostFakeProcessCreateMessages(
  k: Kernel,
  process: EProcess,
  object: DebugObject,
): Blocking<NtResult<EThread>> {
  const posted = yield* postThreads(k, process, object, null);
  if (posted.status !== null) {
    yield* dropThreads(k, posted);
    return failure(posted.status);
  }
  const { first, last } = posted;
  if (first === null || last === null) {
    yield* dropThreads(k, posted);
    return failure(STATUS_UNSUCCESSFUL);
  }
  yield* DbgkpPostFakeModuleMessages(k, process, first, object);
  yield* ObDereferenceObject(k, first);
  return success(last);
}

function* dropThreads(k: Kernel, { first, last }: PostedThreads): Blocking<void> {
  if (first !== null) yield* ObDereferenceObject(k, first);
  if (last !== null) yield* ObDereferenceObject(k, last);
}

/**
 * Tells of the threads that came after `previous`, whose reference it takes over.
 * @returns the last one, referenced; errors of {@link queueFakeMessage}
 */
export function* DbgkpPostFakeThreadMessages(
  k: Kernel,
  process: EProcess,
  object: DebugObject,
  previous: EThread,
): Blocking<NtResult<EThread>> {
  ObReferenceObject(previous);
  const posted = yield* postThreads(k, process, object, previous);
  if (posted.status !== null) {
    yield* dropThreads(k, posted);
    yield* ObDereferenceObject(k, previous);
    return failure(posted.status);
  }
  if (posted.last === null) return success(previous);
  yield* ObDereferenceObject(k, previous);
  return success(posted.last);
}

interface PostedThreads {
  /** The one that told of the process; referenced, and only if nobody came before. */
  first: EThread | null;
  /** Referenced. */
  last: EThread | null;
  /** Why it stopped, or null. */
  status: NtStatus | null;
}

function* postThreads(
  k: Kernel,
  process: EProcess,
  object: DebugObject,
  previous: EThread | null,
): Blocking<PostedThreads> {
  const posted: PostedThreads = { first: null, last: null, status: null };
  for (
    let thread = yield* PsGetNextProcessThread(k, process, previous);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    const held = holdThread(k, thread);
    const begins = previous === null && posted.first === null && held !== DEBUG_EVENT_PROTECT_FAILED;
    const status = yield* postThread(k, process, object, thread, { held, begins });
    if (!NT_SUCCESS(status)) {
      yield* ObDereferenceObject(k, thread);
      posted.status = status;
      return posted;
    }
    if (begins) {
      ObReferenceObject(thread);
      posted.first = thread;
    }
    if (posted.last !== null) yield* ObDereferenceObject(k, posted.last);
    ObReferenceObject(thread);
    posted.last = thread;
  }
  return posted;
}

/** Keeps a thread from running and from exiting. @returns the event's flags */
function holdThread(k: Kernel, thread: EThread): number {
  if (!ExAcquireRundownProtection(thread.rundownProtect)) return DEBUG_EVENT_PROTECT_FAILED;
  const suspended = !hasCrossThreadFlag(thread, CT_SYSTEM_THREAD) && PsSuspendThread(k, thread).ok;
  return suspended ? DEBUG_EVENT_RELEASE | DEBUG_EVENT_SUSPEND : DEBUG_EVENT_RELEASE;
}

function letGo(k: Kernel, thread: EThread, held: number): void {
  if ((held & DEBUG_EVENT_SUSPEND) !== 0) PsResumeThread(k, thread);
  if ((held & DEBUG_EVENT_RELEASE) !== 0) ExReleaseRundownProtection(k, thread.rundownProtect);
}

function* postThread(
  k: Kernel,
  process: EProcess,
  object: DebugObject,
  thread: EThread,
  options: { readonly held: number; readonly begins: boolean },
): Blocking<NtStatus> {
  const { startAddress } = thread;
  const message: DbgkMessage = options.begins
    ? { kind: "create-process", image: yield* describeImage(k, process, process.sectionBaseAddress), startAddress }
    : { kind: "create-thread", startAddress };
  const status = yield* queueFakeMessage(k, object, { process, thread, message }, options.held);
  if (NT_SUCCESS(status)) return status;
  letGo(k, thread, options.held);
  const file = fileOf(message);
  if (file !== null) yield* ObDereferenceObject(k, file);
  return status;
}

/** Tells of the images in the loader's list, but for the first, which is the program. What is no image is passed over. */
function* DbgkpPostFakeModuleMessages(
  k: Kernel,
  process: EProcess,
  thread: EThread,
  object: DebugObject,
): Blocking<void> {
  for (const base of modulesOf(k, process).slice(1)) {
    if (imageViewAt(process, base)?.base !== base) continue;
    const message: DbgkMessage = { kind: "load-dll", image: yield* describeImage(k, process, base), namePointer: 0 };
    const status = yield* queueFakeMessage(k, object, { process, thread, message }, 0);
    if (NT_SUCCESS(status)) continue;
    if (message.image.file !== null) yield* ObDereferenceObject(k, message.image.file);
    return;
  }
}

/** The bases in the loader's list, which lies in user memory and may hold anything. */
function modulesOf(k: Kernel, process: EProcess): number[] {
  const bases: number[] = [];
  if (process.peb === 0) return bases;
  const user = new UserMemory(k, process);
  const loader = user.readU32(process.peb + Peb.Ldr);
  if (loader === 0) return bases;
  const head = (loader + LDR_IN_LOAD_ORDER) >>> 0;
  for (let entry = user.readU32(head); entry !== head && bases.length < MAXIMUM_MODULES; entry = user.readU32(entry)) {
    const base = user.readU32((entry + LDR_ENTRY_DLL_BASE) >>> 0);
    if (user.faulted) break;
    bases.push(base);
  }
  return bases;
}
