/**
 * Creating processes. Whatever fails, one dereference undoes everything: the delete procedure looks at every field.
 * Creation starts no thread and signals nothing.
 */
import { PROCESS_ALL_ACCESS, PSF_HAS_ADDRESS_SPACE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  NT_SUCCESS,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  success,
} from "../abi/status.ts";
import { ExCreateHandle } from "../ex/handle.ts";
import { chargeQuota, QuotaBlock, referenceQuotaBlock } from "../ex/quota.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { MmCreateProcessAddressSpace } from "../mm/addressspace.ts";
import type { SectionObject } from "../mm/section.ts";
import { ObInitProcess } from "../ob/initprocess.ts";
import { ObCreateObject } from "../ob/create.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { newObjectId } from "../sim/identity.ts";
import { emit } from "../sim/record.ts";
import { PspSetProcessFlag } from "./flags.ts";
import type { Job } from "./job.ts";
import { PspInheritJobs } from "./jobbirth.ts";
import { recordJob } from "./jobmembers.ts";
import { EProcess } from "./objects.ts";
import type { DebugPortChoice } from "./state.ts";

/** What a new process is to be. */
export interface ProcessCreation {
  /** Whose quota, token and handles it inherits; null for the first ones. */
  readonly parent: EProcess | null;
  /** File name of the image, for messages and reports. */
  readonly imageFileName: string;
  readonly imagePath: string;
  /** The image; null clones nothing and maps nothing. */
  readonly section: SectionObject | "parent's" | null;
  readonly inheritHandles: boolean;
  /** False for the System process, which has no user memory. */
  readonly userMemory: boolean;
  /** The debug object that the creator names; by default the parent's debugger debugs its children, too. */
  readonly debug?: DebugPortChoice | undefined;
  /** Leaves the parent's job, if that allows it. */
  readonly breakaway?: boolean;
  /** Jobs to be born into besides the parent's; referenced by the caller. */
  readonly jobs?: readonly Job[];
}

/**
 * Creates a process without any thread.
 * @returns the process with its creation reference; PROCESS_IS_TERMINATING if the parent is, INSUFFICIENT_RESOURCES,
 *   NO_MEMORY or QUOTA_EXCEEDED, and as {@link PspInheritJobs}
 */
export function* PspCreateProcess(k: Kernel, creation: ProcessCreation): Blocking<NtResult<EProcess>> {
  const affinity = k.ke.prcbs.length === 32 ? -1 : (1 << k.ke.prcbs.length) - 1;
  const process = new EProcess(newObjectId(k), affinity);
  const created = ObCreateObject(k, k.ps.processType, process);
  if (!NT_SUCCESS(created)) return failure(created);
  process.imageFileName = creation.imageFileName;
  process.imagePath = creation.imagePath;
  process.createTime = KeQueryInterruptTime(k);
  process.grantedAccess = PROCESS_ALL_ACCESS;
  // The status of other trees, which no exit takes for "not yet known" (D14).
  if (k.sim.errata.has("D14c")) process.exitStatus = STATUS_TIMEOUT;
  const status = yield* furnishProcess(k, process, creation);
  if (!NT_SUCCESS(status)) {
    yield* ObDereferenceObject(k, process);
    return failure(status);
  }
  yield* KeAcquireGuardedMutex(k, k.ps.activeProcessMutex);
  insertTail(k.ps.activeProcessHead, process.activeProcessLinks);
  yield* KeReleaseGuardedMutex(k, k.ps.activeProcessMutex);
  yield* takeDebugPort(k, process, creation);
  if (creation.userMemory) recordCreation(k, process);
  return success(process);
}

/** Only now, when the process can be found: a debugger that goes away at this moment must find what it debugs. */
function* takeDebugPort(k: Kernel, process: EProcess, creation: ProcessCreation): Blocking<void> {
  const { parent, debug = NOT_NAMED } = creation;
  if (parent === null || (parent.debugPort === null && debug.object === null)) return;
  yield* k.ps.dbgk.copyDebugPort(k, process, parent, debug);
}

const NOT_NAMED: DebugPortChoice = { object: null, noInherit: false };

/** The System process belongs to the machine; reports are about programs. */
function recordCreation(k: Kernel, process: EProcess): void {
  const { createTime: time, pid, parentPid, imageFileName: image } = process;
  emit(k, { kind: "process-created", time, pid, parentPid, image });
  recordJob(k, process);
}

function* furnishProcess(k: Kernel, process: EProcess, creation: ProcessCreation): Blocking<NtStatus> {
  const { parent } = creation;
  const quota = parent?.quotaBlock ?? null;
  process.quotaBlock =
    quota === null ? new QuotaBlock(k.ex.machineQuota.limits, k.ex.machineQuota) : referenceQuotaBlock(quota);
  if (!chargeQuota(process.quotaBlock, "processes", 1)) return STATUS_QUOTA_EXCEEDED;
  process.quotaCharged = true;
  KeEnterCriticalRegion(k);
  const kept = keptWhileInheriting(k, process, parent);
  if (kept !== null && !ExAcquireRundownProtection(kept.rundownProtect)) {
    yield* KeLeaveCriticalRegion(k);
    return STATUS_PROCESS_IS_TERMINATING;
  }
  const section = yield* takeSection(k, process, creation);
  const status = NT_SUCCESS(section) ? inheritFromParent(k, process, creation) : section;
  if (kept !== null) ExReleaseRundownProtection(k, kept.rundownProtect);
  yield* KeLeaveCriticalRegion(k);
  if (!NT_SUCCESS(status)) return status;
  const id = ExCreateHandle(k, k.ps.cidTable, process, 0, 0);
  if (!id.ok) return id.status;
  process.pid = id.value;
  const { breakaway = false, jobs = [] } = creation;
  return PspInheritJobs(k, process, { parent, breakaway, jobs });
}

/**
 * Whose rundown is held: the parent's, which keeps its token, section and handle table where they are.
 * @erratum D39 the new process's, which nobody else knows, so that the parent may exit meanwhile
 */
function keptWhileInheriting(k: Kernel, process: EProcess, parent: EProcess | null): EProcess | null {
  return parent !== null && k.sim.errata.has("D39") ? process : parent;
}

/** The image. @returns PROCESS_IS_TERMINATING if it was to be the parent's and the parent has none any more */
function* takeSection(k: Kernel, process: EProcess, { parent, section }: ProcessCreation): Blocking<NtStatus> {
  const image = section === "parent's" ? (parent?.sectionObject ?? null) : section;
  if (section === "parent's") yield* erratumGap(k, "D39:between-read-and-reference");
  if (image === null) return section === null ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING;
  ObReferenceObject(image);
  process.sectionObject = image;
  return STATUS_SUCCESS;
}

function inheritFromParent(k: Kernel, process: EProcess, creation: ProcessCreation): NtStatus {
  const { parent } = creation;
  process.parentPid = parent?.pid ?? 0;
  const token = parent?.token ?? k.ps.systemToken;
  if (token !== null) {
    ObReferenceObject(token);
    process.token = token;
  }
  if (creation.userMemory) {
    const memory = MmCreateProcessAddressSpace(k, process);
    if (!NT_SUCCESS(memory)) return memory;
    PspSetProcessFlag(process, PSF_HAS_ADDRESS_SPACE);
  }
  return ObInitProcess(k, creation.inheritHandles ? parent : null, process);
}
