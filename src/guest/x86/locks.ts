/**
 * Which critical section a thread waits for. The kernel does not know critical sections: the wait is for an event or an
 * alert. But the routine that waits has the address of the section on its stack, and the section says who owns it.
 */
import type { Kernel } from "../../kernel.ts";
import { UserMemory } from "../../mm/usermemory.ts";
import type { EThread } from "../../ps/objects.ts";
import { X86UserContext } from "./user.ts";

/** A contended critical section, as it lies in memory. */
export interface ContendedSection {
  readonly address: number;
  /** Thread id of the owner, alive or not. */
  readonly owner: number;
}

/** `RTL_CRITICAL_SECTION`. */
const SECTION = { lockCount: 4, recursionCount: 8, owningThread: 12 } as const;
/** Words of stack that are looked at: the frames of the wait and of the lock routine. */
const SCAN_WORDS = 160;
const LARGEST_RECURSION = 0x1000;

/** The section that the waiting thread wants, or null if its stack names none that somebody else owns. */
export function findContendedSection(k: Kernel, thread: EThread): ContendedSection | null {
  const { user } = thread;
  if (!(user instanceof X86UserContext)) return null;
  const memory = new UserMemory(k, thread.threadsProcess);
  const { stackPointer } = user;
  for (let index = 0; index < SCAN_WORDS; index++) {
    const candidate = memory.begin().readU32(stackPointer + 4 * index);
    if (memory.faulted) return null;
    const owner = ownerOf(k, memory, candidate, thread.tid);
    if (owner !== 0) return { address: candidate, owner };
  }
  return null;
}

/** The owner if there is a contended critical section at `address`, else 0. */
function ownerOf(k: Kernel, memory: UserMemory, address: number, waiter: number): number {
  if ((address & 3) !== 0 || address < 0x10000) return 0;
  memory.begin();
  const lockCount = memory.readI32(address + SECTION.lockCount);
  const recursion = memory.readU32(address + SECTION.recursionCount);
  const owner = memory.readU32(address + SECTION.owningThread);
  if (memory.faulted || lockCount < 1 || recursion < 1 || recursion > LARGEST_RECURSION) return 0;
  const plausible = owner !== waiter && (owner & 3) === 0 && owner > 0 && owner < 4 * k.ps.cidTable.entries.length;
  return plausible ? owner : 0;
}
