/**
 * The commit limit. Every page that may need a frame of its own is charged when it is promised, not when it is touched,
 * so that a program learns of a shortage from a call and not from a fault.
 *
 * Invariant: what a region or a segment charged, it returns, no later than it goes.
 */
import { STATUS_PAGEFILE_QUOTA } from "../abi/mm.ts";
import { type NtStatus, STATUS_COMMITMENT_LIMIT, STATUS_SUCCESS } from "../abi/status.ts";
import { chargeQuota, returnQuota } from "../ex/quota.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { AddressSpace } from "./space.ts";
import type { MmProcess } from "./process.ts";

/** Charges pages of a process.
 * @returns COMMITMENT_LIMIT: the machine has no more, or a job of the process; PAGEFILE_QUOTA: the process may not have
 *   more
 */
export function chargeCommit(k: Kernel, process: MmProcess, space: AddressSpace, pages: number): NtStatus {
  const { quotaBlock, commitLimiter } = process;
  if (!chargeMachineCommit(k, pages)) return STATUS_COMMITMENT_LIMIT;
  if (quotaBlock !== null && !chargeQuota(quotaBlock, "committedPages", pages)) {
    returnMachineCommit(k, pages);
    return STATUS_PAGEFILE_QUOTA;
  }
  if (commitLimiter !== null && !commitLimiter.charge(k, process, pages)) {
    if (quotaBlock !== null) returnQuota(quotaBlock, "committedPages", pages);
    returnMachineCommit(k, pages);
    return STATUS_COMMITMENT_LIMIT;
  }
  space.committedPages += pages;
  if (space.committedPages > space.peakCommittedPages) space.peakCommittedPages = space.committedPages;
  return STATUS_SUCCESS;
}

export function returnCommit(k: Kernel, process: MmProcess, space: AddressSpace, pages: number): void {
  assert(space.committedPages >= pages, "a process returns no more commit than it charged");
  space.committedPages -= pages;
  if (process.quotaBlock !== null) returnQuota(process.quotaBlock, "committedPages", pages);
  process.commitLimiter?.release(process, pages);
  returnMachineCommit(k, pages);
}

/** Regions that a process may add before the machine's are counted again. */
const COUNT_EVERY = 0x100;

/** Whether another region may be made. The machine's regions are counted only now and then, so the answer is cheap. */
export function mayAddRegion(k: Kernel, space: AddressSpace): boolean {
  if (space.vads.length === 0 || space.vads.length % COUNT_EVERY !== 0) return true;
  let regions = 0;
  for (const other of k.mm.addressSpaces) regions += other.vads.length;
  return regions < k.mm.regionLimit;
}

/** Charges pages that belong to no process. @returns false if the machine has no more */
export function chargeMachineCommit(k: Kernel, pages: number): boolean {
  if (k.mm.committedPages + pages > k.mm.commitLimit) return false;
  if (k.mm.commitFailure !== null && k.mm.commitFailure()) return false;
  k.mm.committedPages += pages;
  if (k.mm.committedPages > k.mm.peakCommittedPages) k.mm.peakCommittedPages = k.mm.committedPages;
  return true;
}

export function returnMachineCommit(k: Kernel, pages: number): void {
  assert(k.mm.committedPages >= pages, "no more commit is returned than was charged");
  k.mm.committedPages -= pages;
}
