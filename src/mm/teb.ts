/**
 * Environment blocks of threads and processes (TEB, PEB): where they are, and the fields that the kernel itself fills in.
 * They lie as high as possible in user space and are secured: user mode can write to them, and neither free nor protect
 * them, so the kernel may rely on their being there until it deletes them.
 */
import { MEM_PRIVATE, PAGE_READWRITE, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  STATUS_NO_MEMORY,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { EXCEPTION_CHAIN_END, Peb, STATIC_UNICODE_BUFFER_BYTES, Teb } from "../abi/teb.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { chargeCommit, mayAddRegion } from "./commit.ts";
import { release } from "./free.ts";
import type { MmProcess } from "./process.ts";
import type { UserStack } from "./stack.ts";
import { UserMemory } from "./usermemory.ts";
import { CHARGED, Vad } from "./vad.ts";

/** The second page is scratch room that some ntdlls keep right behind the block. */
const TEB_PAGES = 2;
/** The second page is a table that some ntdlls keep right behind the block, and expect to be zero. */
const PEB_PAGES = 2;
/** `NT_TIB.Version`, which says that there is no fiber. */
const TIB_VERSION = 0x1e00;
const LOCALE_US_ENGLISH = 0x409;
/** In the reserved part of the TEB: room for the first activation context stack, and its list head. */
const FIRST_ACTIVATION_STACK = 0x184;

export interface TebInit {
  readonly clientId: { readonly process: number; readonly thread: number };
  /** Null for a thread whose stack the program makes itself; then its bounds are 0. */
  readonly stack: UserStack | null;
  /** `WOW32Reserved`: where some ntdlls find the address of their system call stub. */
  readonly wow32Reserved?: number;
}

/** Makes a thread's environment block.
 * @returns its address; PROCESS_IS_TERMINATING; NO_MEMORY: no room or no frame; COMMITMENT_LIMIT, PAGEFILE_QUOTA
 */
export function MmCreateTeb(k: Kernel, process: MmProcess, init: TebInit): NtResult<number> {
  const teb = allocateSecured(k, process, TEB_PAGES);
  if (!teb.ok || k.mm.ram === null) return teb;
  const address = teb.value;
  const words = new UserMemory(k, process).wordsForWriting(address);
  if (words >= 0) {
    initialiseTeb(k.mm.ram.i32, words, address, process.peb, init);
    return teb;
  }
  MmDeleteTeb(k, process, address);
  return failure(STATUS_NO_MEMORY);
}

/** Fills in a block whose words, all zero, begin at index `first` of guest memory. */
function initialiseTeb(i32: Int32Array, first: number, address: number, peb: number, init: TebInit): void {
  const { clientId, stack } = init;
  const stackList = address + FIRST_ACTIVATION_STACK + 4;
  i32[first + (Teb.ExceptionList >>> 2)] = EXCEPTION_CHAIN_END;
  i32[first + (Teb.StackBase >>> 2)] = stack?.base ?? 0;
  i32[first + (Teb.StackLimit >>> 2)] = stack?.limit ?? 0;
  i32[first + (Teb.FiberData >>> 2)] = TIB_VERSION;
  i32[first + (Teb.Self >>> 2)] = address;
  i32[first + (Teb.UniqueProcess >>> 2)] = clientId.process;
  i32[first + (Teb.UniqueThread >>> 2)] = clientId.thread;
  i32[first + (Teb.ProcessEnvironmentBlock >>> 2)] = peb;
  i32[first + (Teb.WOW32Reserved >>> 2)] = init.wow32Reserved ?? 0;
  i32[first + (Teb.CurrentLocale >>> 2)] = LOCALE_US_ENGLISH;
  i32[first + (Teb.ActivationContextStack >>> 2)] = address + FIRST_ACTIVATION_STACK;
  i32[first + ((FIRST_ACTIVATION_STACK + 4) >>> 2)] = stackList;
  i32[first + ((FIRST_ACTIVATION_STACK + 8) >>> 2)] = stackList;
  i32[first + (Teb.RealUniqueProcess >>> 2)] = clientId.process;
  i32[first + (Teb.RealUniqueThread >>> 2)] = clientId.thread;
  i32[first + (Teb.StaticUnicodeString >>> 2)] = STATIC_UNICODE_BUFFER_BYTES << 16;
  i32[first + ((Teb.StaticUnicodeString + 4) >>> 2)] = address + Teb.StaticUnicodeBuffer;
  i32[first + (Teb.DeallocationStack >>> 2)] = stack?.allocation ?? 0;
}

/** Takes a thread's environment block away. Nothing happens if the address space has been emptied already. */
export function MmDeleteTeb(k: Kernel, process: MmProcess, teb: number): void {
  const space = process.addressSpace;
  if (space === null || space.deleted) return;
  const vad = space.find(teb);
  assert(vad !== null && vad.startPage === teb >>> PAGE_SHIFT, "a TEB is secured until it is deleted");
  release(k, process, space, vad, vad.startPage, vad.endPage);
}

export interface PebInit {
  readonly imageBase: number;
  readonly processors: number;
  readonly sessionId: number;
  readonly osMajorVersion: number;
  readonly osMinorVersion: number;
  readonly osBuildNumber: number;
  readonly imageSubsystem?: number;
  readonly imageSubsystemMajorVersion?: number;
  readonly imageSubsystemMinorVersion?: number;
  readonly beingDebugged?: boolean;
}

const VER_PLATFORM_WIN32_NT = 2;
/** 30 days in 100 ns, negative: how long a critical section is waited for before its owner counts as stuck. */
const CRITICAL_SECTION_TIMEOUT = -25_920_000_000_000n;
const HEAP_SEGMENT_RESERVE = 0x100000;
const HEAP_SEGMENT_COMMIT = 0x2000;
const HEAP_DECOMMIT_TOTAL_FREE_THRESHOLD = 0x10000;
const HEAP_DECOMMIT_FREE_BLOCK_THRESHOLD = 0x1000;

/** Makes the process's environment block and sets `process.peb`. Parameters, API sets and the like are user mode's.
 * @returns as {@link MmCreateTeb}
 */
export function MmCreatePeb(k: Kernel, process: MmProcess, init: PebInit): NtResult<number> {
  assert(process.peb === 0, "a process has one PEB");
  const peb = allocateSecured(k, process, PEB_PAGES);
  if (!peb.ok) return peb;
  const address = peb.value;
  process.peb = address;
  if (k.mm.ram === null) return peb;
  const user = new UserMemory(k, process);
  const fields: readonly (readonly [number, number])[] = [
    [Peb.InheritedAddressSpace, init.beingDebugged === true ? 0x10000 : 0],
    [Peb.Mutant, 0xffffffff],
    [Peb.ImageBaseAddress, init.imageBase],
    [Peb.NumberOfProcessors, init.processors],
    [Peb.HeapSegmentReserve, HEAP_SEGMENT_RESERVE],
    [Peb.HeapSegmentCommit, HEAP_SEGMENT_COMMIT],
    [Peb.HeapDeCommitTotalFreeThreshold, HEAP_DECOMMIT_TOTAL_FREE_THRESHOLD],
    [Peb.HeapDeCommitFreeBlockThreshold, HEAP_DECOMMIT_FREE_BLOCK_THRESHOLD],
    [Peb.MaximumNumberOfHeaps, (PAGE_SIZE - Peb.HeapArray) / 4],
    [Peb.ProcessHeaps, address + Peb.HeapArray],
    [Peb.OSMajorVersion, init.osMajorVersion],
    [Peb.OSMinorVersion, init.osMinorVersion],
    [Peb.OSBuildNumber, init.osBuildNumber & 0xffff],
    [Peb.OSPlatformId, VER_PLATFORM_WIN32_NT],
    [Peb.ImageSubsystem, init.imageSubsystem ?? 0],
    [Peb.ImageSubsystemMajorVersion, init.imageSubsystemMajorVersion ?? 0],
    [Peb.ImageSubsystemMinorVersion, init.imageSubsystemMinorVersion ?? 0],
    [Peb.SessionId, init.sessionId],
  ];
  for (const [offset, value] of fields) user.writeU32(address + offset, value);
  user.writeU64(address + Peb.CriticalSectionTimeout, CRITICAL_SECTION_TIMEOUT);
  return user.faulted ? failure(STATUS_NO_MEMORY) : peb;
}

function allocateSecured(k: Kernel, process: MmProcess, pages: number): NtResult<number> {
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const startPage = space.findTopPages(pages);
  if (startPage === 0 || !mayAddRegion(k, space)) return failure(STATUS_NO_MEMORY);
  const charged = chargeCommit(k, process, space, pages);
  if (charged !== STATUS_SUCCESS) return failure(charged);
  const endPage = startPage + pages;
  const protection = PAGE_READWRITE;
  space.insert(
    new Vad({ startPage, endPage, protection, type: MEM_PRIVATE, noChange: true, value: protection | CHARGED }),
  );
  return success(startPage * PAGE_SIZE);
}
