/**
 * The audit of a machine on which everything has ended: nothing that a program, a process or a thread was made of may be
 * left. What the machine itself keeps is counted exactly: its boot's pool, its System process, its worker threads.
 */
import type { Kernel } from "../kernel.ts";
import { KiRun } from "../ke/run.ts";
import { bootKernel } from "../machine/kernel.ts";
import type { Machine } from "../machine/machine.ts";
import { mmLedger } from "../mm/ledger.ts";
import { EThread } from "../ps/objects.ts";
import { isListEmpty, listOwners } from "../rtl/list.ts";

/**
 * What the machine should not have any more, or should be in another state.
 * @returns sentences; none if all is well
 */
export function audit(machine: Machine): string[] {
  const k = machine.kernel;
  const found = machine.ledger().map(({ type, id, pinnedBy }) => `${type} ${id} lives: ${pinnedBy.join(", ")}`);
  // The ledger lets go of the first process, whose deletion may need a worker.
  const end = KiRun(k, { turns: 100_000, untilNs: Infinity, stop: () => false });
  if (end !== "idle") found.push(`the machine is not at rest but ends with ${end}`);
  return [...found, ...auditPool(k), ...auditProcesses(k), ...auditWorkers(k), ...mmLedger(k).complaints];
}

/** Blocks by tag: those of the boot, and a thread object and a stack for each worker. */
function auditPool(k: Kernel): string[] {
  const expected = ownBlocks();
  const workers = systemThreads(k).length;
  for (const tag of ["Thre", "KStk"]) expected.set(tag, (expected.get(tag) ?? 0) + workers);
  // Tables that belong to the machine keep what they have grown by.
  const pages = k.ps.cidTable.pages.length + k.ob.kernelHandleTable.pages.length;
  expected.set("Obtb", (expected.get("Obtb") ?? 0) + pages);
  const found: string[] = [];
  for (const [tag, count] of blocksByTag(k)) {
    const want = expected.get(tag) ?? 0;
    if (count !== want) found.push(`pool ${tag}: ${count} blocks, ${want} belong to the machine`);
  }
  return found;
}

/** What a machine has from boot on. */
function ownBlocks(): Map<string, number> {
  return blocksByTag(bootKernel().kernel);
}

function blocksByTag(k: Kernel): Map<string, number> {
  return new Map([...k.ex.pool.tags.values()].map(({ tag, allocations, frees }) => [tag, allocations - frees]));
}

function systemThreads(k: Kernel): EThread[] {
  const system = k.ps.initialSystemProcess;
  return system === null ? [] : listOwners(system.ethreadListHead);
}

/** Ids, lists and quota: only the System process and its threads are known. */
function auditProcesses(k: Kernel): string[] {
  const found: string[] = [];
  const system = k.ps.initialSystemProcess;
  const threads = systemThreads(k).length;
  const ids = 1 + threads;
  if (k.ps.cidTable.count !== ids) found.push(`${k.ps.cidTable.count} ids are taken, ${ids} belong to the machine`);
  const processes = listOwners(k.ps.activeProcessHead).filter((process) => process !== system);
  for (const process of processes) found.push(`process ${process.pid} is in the list of processes`);
  if (system?.activeThreads !== threads)
    found.push(`the System process counts ${system?.activeThreads} of ${threads} threads`);
  const { usage } = k.ex.machineQuota;
  if (usage.processes !== 1) found.push(`${usage.processes} processes are charged`);
  if (usage.threads !== threads) found.push(`${usage.threads} threads are charged, ${threads} belong to the machine`);
  if (usage.poolBytes !== 0) found.push(`${usage.poolBytes} bytes of pool are charged`);
  if (usage.handles !== 0) found.push(`${usage.handles} handles are charged`);
  if (usage.committedPages !== 0) found.push(`${usage.committedPages} pages are charged`);
  if (k.ob.kernelHandleTable.count !== 0) found.push(`${k.ob.kernelHandleTable.count} kernel handles are open`);
  return found;
}

/** The reapers are idle, no timer runs, and no worker kept something of what it did. */
function auditWorkers(k: Kernel): string[] {
  const found: string[] = [];
  if (k.ke.reaperList !== null) found.push("the reaper's list is not empty");
  if (k.ob.reaper.list !== null || k.ob.reaper.active) found.push("the object reaper is not idle");
  if (k.ke.timers.length > 0) found.push(`${k.ke.timers.length} timers are running`);
  for (const thread of k.ke.liveThreads) {
    if (!(thread instanceof EThread) || thread.threadsProcess !== k.ps.initialSystemProcess) {
      found.push(`thread ${thread.id} has not ended`);
      continue;
    }
    if (thread.combinedApcDisable !== 0) found.push(`worker ${thread.name} has its APCs off`);
    if (!isListEmpty(thread.mutantListHead)) found.push(`worker ${thread.name} owns a mutant`);
    if (thread.apcStateIndex !== 0) found.push(`worker ${thread.name} is attached`);
  }
  return found;
}
