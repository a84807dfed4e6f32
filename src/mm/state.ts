/**
 * Memory management's share of the machine: physical page frames, the commit limit, and the registers of what owns
 * memory. A machine that runs only scripted programs has no guest memory: then regions, sections and commit are real, and
 * there are no pages behind them.
 *
 * Invariant: every frame between the first and the end is free, not yet handed out, or owned exactly once: by a process
 * (page directory, page table, private page), by a segment, or by the machine (the shared user page). `mmLedger` checks it.
 */
import type { GuestRam } from "../abi/processor.ts";
import type { PoolBlock } from "../ex/pool.ts";
import type { ObjectType } from "../ob/type.ts";
import { createFramePool, type FramePool } from "./frames.ts";
import type { Segment } from "./segment.ts";
import type { AddressSpace } from "./space.ts";
import type { UserMemory } from "./usermemory.ts";

export interface MmState {
  /** Null in a machine without a processor: page-level work is skipped. */
  readonly ram: GuestRam | null;
  readonly frames: FramePool;
  /** The memory of whichever process is current; set by MmInitSystem, which everybody else comes after. */
  user: UserMemory;
  /** Pages that all processes and sections together may commit. */
  readonly commitLimit: number;
  /** Asked at every charge; true refuses it, though there is enough. */
  commitFailure: (() => boolean) | null;
  /** Regions that all processes together may have, give or take a few hundred a process: they cost the host memory. */
  readonly regionLimit: number;
  committedPages: number;
  peakCommittedPages: number;
  /** Every address space that has not been deleted. */
  readonly addressSpaces: Set<AddressSpace>;
  /** Every segment that still has frames or users, the cached ones included. */
  readonly segments: Set<Segment>;
  /** Image segments by the identity of their file, also while nobody uses them. */
  readonly images: Map<string, Segment>;
  /** Data segments by the identity of their file, while somebody uses them. */
  readonly files: Map<string, Segment>;
  /** `MmSectionObjectType`; set by MmInitSystem. */
  sectionType: ObjectType | null;
  /** Physical address of the page directory that the processor uses; 0 if unknown. */
  loadedDirectory: number;
  /** The frame behind KUSER_SHARED_DATA; 0 before MmInitSystem and in a machine without a processor. */
  sharedUserFrame: number;
  /** The clock interrupt up to which that page tells the time. */
  sharedUserTick: number;
  /** Where a structure is put together before it goes to user memory, and taken apart; it means nothing later. */
  readonly scratch: DataView;
  /** Memory behind the kernel stacks, by the stack's id. */
  readonly kernelStacks: Map<number, PoolBlock>;
  readonly statistics: MmStatistics;
}

/** Counters of a run; nothing depends on them. */
export interface MmStatistics {
  faults: number;
  demandZero: number;
  pagesRead: number;
  copyOnWrite: number;
  guardFaults: number;
  stackExtensions: number;
  accessViolations: number;
  zeroFillDwordsSkipped: number;
}

export interface MmOptions {
  readonly ram?: GuestRam | null;
  /** Pages; untouched pages cost nothing, so the default is far more than the machine's frames. */
  readonly commitLimitPages?: number;
  readonly regionLimit?: number;
}

/** 4 GiB: a program whose stacks are committed whole, as Wine's are, may have a few thousand threads. */
const DEFAULT_COMMIT_LIMIT_PAGES = 0x100000;

/** Enough for a CONTEXT. */
const SCRATCH_BYTES = 1024;

/** A region costs the host a few hundred bytes. */
const DEFAULT_REGION_LIMIT = 1 << 20;

export function createMmState(options: MmOptions): MmState {
  const ram = options.ram ?? null;
  return {
    ram,
    frames: createFramePool(ram),
    // Needs the kernel, so MmInitSystem makes it.
    user: null as unknown as UserMemory,
    commitLimit: options.commitLimitPages ?? DEFAULT_COMMIT_LIMIT_PAGES,
    commitFailure: null,
    regionLimit: options.regionLimit ?? DEFAULT_REGION_LIMIT,
    committedPages: 0,
    peakCommittedPages: 0,
    addressSpaces: new Set(),
    segments: new Set(),
    images: new Map(),
    files: new Map(),
    sectionType: null,
    loadedDirectory: 0,
    sharedUserFrame: 0,
    sharedUserTick: -1,
    scratch: new DataView(new ArrayBuffer(SCRATCH_BYTES)),
    kernelStacks: new Map(),
    statistics: {
      faults: 0,
      demandZero: 0,
      pagesRead: 0,
      copyOnWrite: 0,
      guardFaults: 0,
      stackExtensions: 0,
      accessViolations: 0,
      zeroFillDwordsSkipped: 0,
    },
  };
}
