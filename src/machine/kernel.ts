/**
 * Boot: builds a kernel, layer by layer, and its System process. Nothing runs yet. A boot takes well under a tenth of a
 * millisecond, so whoever explores schedules boots a fresh kernel for each.
 */
import { PAGE_SIZE } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import { CT_SYSTEM_THREAD } from "../abi/ps.ts";
import { createCmState } from "../cm/state.ts";
import { createExState, type ExOptions } from "../ex/state.ts";
import { createIoState, type IoOptions } from "../io/state.ts";
import { createKeState, type KeOptions } from "../ke/state.ts";
import type { Kernel } from "../kernel.ts";
import { connectDbgk, createDebugObjectType } from "../dbgk/init.ts";
import { createDbgkState, type DbgkState } from "../dbgk/state.ts";
import { LpcInitSystem } from "../lpc/init.ts";
import type { LpcState } from "../lpc/state.ts";
import { createMmState, type MmOptions } from "../mm/state.ts";
import { MmInitSystem } from "../mm/init.ts";
import { createNtState } from "../nt/state.ts";
import { KiUserModeLoop } from "../nt/usermode.ts";
import { createObState, ObInitSystem } from "../ob/state.ts";
import { connectPs, createPsState } from "../ps/init.ts";
import { createPoState } from "../po/state.ts";
import { EProcess, EThread } from "../ps/objects.ts";
import { PspCreateProcess } from "../ps/process.ts";
import type { PsState } from "../ps/state.ts";
import { assert } from "../rtl/assert.ts";
import { SeInitSystem } from "../se/init.ts";
import { SeCreateSystemToken, SeCreateUserToken } from "../se/token.ts";
import { createSeState } from "../se/state.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { createSimState, type SimOptions } from "../sim/state.ts";
import { CmInitSystem } from "../cm/init.ts";
import { IoInitSystem } from "../io/init.ts";
import { swapAddressSpace } from "../mm/swap.ts";

export interface KernelOptions {
  readonly sim?: SimOptions;
  readonly ke?: KeOptions;
  readonly ex?: ExOptions;
  readonly io?: IoOptions;
  /** Guest memory; null for scripted programs only. */
  readonly ram?: GuestRam | null;
}

/** A kernel with its System process, and a thread in whose name the machine sets things up. */
export interface BootedKernel {
  readonly kernel: Kernel;
  /** Runs a routine of the kernel to its end, before or between runs; it must not block. */
  readonly call: <T>(routine: (k: Kernel) => Blocking<T>) => T;
}

export function bootKernel(options: KernelOptions = {}): BootedKernel {
  const sim = createSimState(options.sim ?? {});
  const k: { -readonly [layer in keyof Kernel]: Kernel[layer] } = {
    sim,
    ke: createKeState(options.ke ?? {}),
    ex: createExState(options.ex),
    ob: createObState(sim),
    se: createSeState(),
    mm: createMmState(memoryOf(options.ram ?? null)),
    io: createIoState(options.io),
    cm: createCmState(),
    po: createPoState(),
    // These three hold object types, which the object manager must make first.
    lpc: null as unknown as LpcState,
    ps: null as unknown as PsState,
    dbgk: null as unknown as DbgkState,
    nt: createNtState(),
  };
  ObInitSystem(k);
  SeInitSystem(k);
  MmInitSystem(k);
  IoInitSystem(k);
  CmInitSystem(k);
  k.lpc = LpcInitSystem(k);
  k.ps = createPsState(k);
  connectPs(k);
  k.dbgk = createDbgkState(createDebugObjectType(k));
  connectDbgk(k);
  k.ke.upcalls.userMode = KiUserModeLoop;
  k.ke.upcalls.swapAddressSpace = swapAddressSpace;
  const call = createSystemProcess(k);
  return { kernel: k, call };
}

/** An eighth of memory is kept for what is not charged: page tables, and pages of files. */
const CHARGEABLE_SHARE = 7 / 8;

function memoryOf(ram: GuestRam | null): MmOptions {
  if (ram === null) return { ram };
  const frames = ram.byteLength / PAGE_SIZE - ram.firstFreeFrame;
  return { ram, commitLimitPages: Math.floor(frames * CHARGEABLE_SHARE) };
}

/** Makes the Idle and System processes. @returns how to call the kernel in the idle thread */
function createSystemProcess(k: Kernel): BootedKernel["call"] {
  const idle = new EProcess(newObjectId(k), 1);
  k.ps.idleProcess = idle;
  const ids = { semaphore: newObjectId(k), timeout: newObjectId(k) };
  const thread = new EThread(newObjectId(k), idle, ids);
  thread.crossThreadFlags |= CT_SYSTEM_THREAD;
  const call: BootedKernel["call"] = (routine) => {
    const before = k.ke.currentThread;
    k.ke.currentThread = thread;
    const value = synchronously(routine(k));
    k.ke.currentThread = before;
    return value;
  };
  const token = SeCreateSystemToken(k);
  assert(token.ok, "the machine has room for its own token");
  k.ps.systemToken = token.value;
  const creation = { parent: null, imageFileName: "System", imagePath: "", section: null };
  const process = call(() => PspCreateProcess(k, { ...creation, inheritHandles: false, userMemory: false }));
  assert(process.ok, "the machine has room for its System process");
  k.ps.initialSystemProcess = process.value;
  k.ob.systemProcess = process.value;
  const user = SeCreateUserToken(k);
  assert(user.ok, "the machine has room for its user's token");
  k.ps.systemToken = user.value;
  return call;
}

/** Runs a routine that has no reason to block. */
function synchronously<T>(routine: Blocking<T>): T {
  const step = routine.next();
  assert(step.done === true, "nothing blocks while a machine is being set up");
  return step.value;
}
