/**
 * Process bring-up: everything a process has in memory before its first instruction. The same for the first process of a
 * machine and for those that programs create.
 */
import { MEM_COMMIT, MEM_RESERVE, PAGE_EXECUTE_READ, PAGE_READWRITE } from "../abi/mm.ts";
import { OS_VERSION } from "../abi/peb.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  NT_SUCCESS,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { Peb } from "../abi/teb.ts";
import type { Kernel } from "../kernel.ts";
import type { SectionObject } from "../mm/section.ts";
import { MmCreatePeb } from "../mm/teb.ts";
import { UserMemory } from "../mm/usermemory.ts";
import { MmAllocateVirtualMemory } from "../mm/virtual.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Job } from "../ps/job.ts";
import type { EProcess } from "../ps/objects.ts";
import { PspCreateProcess } from "../ps/process.ts";
import type { DebugPortChoice } from "../ps/state.ts";
import { type CreatedThread, PspCreateThread, type ThreadCreation } from "../ps/thread.ts";
import type { Blocking } from "../sim/blocking.ts";
import { bindImports } from "./bind.ts";
import { createImageSection, type Library } from "./library.ts";
import { mapReadOnlyBytes, mapWholeSection } from "./mapview.ts";
import { encodeParameters, parameterBytes, type ProcessParameters } from "./parameters.ts";
import { PROCESS_PARAMETERS } from "../abi/peb.ts";
import { importNamesOf } from "./x86/importnames.ts";
import { furnishUserThread, type X86Guest } from "./x86/threads.ts";
import { writeSystemCallStubs } from "./x86/stubs.ts";

/** What a new process runs. */
export interface ProcessPlan {
  readonly parent: EProcess | null;
  readonly inheritHandles: boolean;
  /** The parsed image, for the built-in environment to link. */
  readonly library: Library;
  readonly section: SectionObject;
  readonly imagePath: string;
  readonly breakaway: boolean;
  readonly jobs: readonly Job[];
  readonly debug?: DebugPortChoice | undefined;
  /** Writes the parameters into the new process and answers their address. */
  readonly parameters: (k: Kernel, process: EProcess) => Blocking<NtResult<number>>;
}

/**
 * Creates a process with its image, ntdll, PEB and parameters, and no thread yet.
 * @returns the process with its creation reference
 */
export function* createUserProcess(k: Kernel, guest: X86Guest, plan: ProcessPlan): Blocking<NtResult<EProcess>> {
  const created = yield* PspCreateProcess(k, {
    parent: plan.parent,
    imageFileName: plan.library.name,
    imagePath: plan.imagePath,
    section: plan.section,
    inheritHandles: plan.inheritHandles,
    userMemory: true,
    breakaway: plan.breakaway,
    jobs: plan.jobs,
    debug: plan.debug,
  });
  if (!created.ok) return created;
  const process = created.value;
  const status = yield* fillProcess(k, guest, process, plan);
  if (NT_SUCCESS(status)) return created;
  yield* ObDereferenceObject(k, process);
  return failure(status);
}

function* fillProcess(k: Kernel, guest: X86Guest, process: EProcess, plan: ProcessPlan): Blocking<NtStatus> {
  const { environment } = guest;
  const ntdll = createImageSection(k, environment.ntdll, "\\SystemRoot\\System32\\ntdll.dll");
  if (!ntdll.ok) return ntdll.status;
  const mappedNtdll = mapWholeSection(k, process, ntdll.value, PAGE_EXECUTE_READ);
  yield* ObDereferenceObject(k, ntdll.value);
  if (!mappedNtdll.ok) return mappedNtdll.status;
  const image = mapWholeSection(k, process, plan.section, PAGE_EXECUTE_READ);
  if (!image.ok) return image.status;
  process.sectionBaseAddress = image.value.base;
  guest.machine.imports.set(process.pid, importNamesOf(plan.library));
  const { pe } = plan.library;
  const peb = MmCreatePeb(k, process, {
    imageBase: image.value.base,
    processors: k.ke.prcbs.length,
    sessionId: process.sessionId,
    osMajorVersion: OS_VERSION.major,
    osMinorVersion: OS_VERSION.minor,
    osBuildNumber: OS_VERSION.build,
    imageSubsystem: pe.subsystem,
    imageSubsystemMajorVersion: pe.subsystemMajorVersion,
    imageSubsystemMinorVersion: pe.subsystemMinorVersion,
  });
  if (!peb.ok) return peb.status;
  const parameters = yield* plan.parameters(k, process);
  if (!parameters.ok) return parameters.status;
  const user = new UserMemory(k, process);
  user.writeU32(peb.value + Peb.ProcessParameters, parameters.value);
  user.writeU8(peb.value + Peb.BeingDebugged, process.debugPort === null ? 0 : 1);
  if (user.faulted) return user.status;
  if (environment.kind === "builtin") return bindImports(k, process, environment, plan.library, image.value.base);
  return yield* prepareWin32(k, guest, process);
}

/** What Wine's ntdll needs besides: the stubs of its system calls, and the API set map. */
function* prepareWin32(k: Kernel, guest: X86Guest, process: EProcess): Blocking<NtStatus> {
  const stubs = writeSystemCallStubs(k, guest, process);
  if (!NT_SUCCESS(stubs)) return stubs;
  const { apiSet } = guest.environment;
  if (apiSet === null) return STATUS_SUCCESS;
  const view = yield* mapReadOnlyBytes(k, process, "apiset", apiSet);
  if (!view.ok) return view.status;
  const user = new UserMemory(k, process);
  user.writeU32(process.peb + Peb.ApiSetMap, view.value.base);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

/** Writes process parameters into memory of their own: ntdll copies and frees them. */
export function writeParameters(k: Kernel, process: EProcess, parameters: ProcessParameters): NtResult<number> {
  const allocated = MmAllocateVirtualMemory(k, process, {
    base: 0,
    zeroBits: 0,
    size: parameterBytes(parameters),
    allocationType: MEM_RESERVE | MEM_COMMIT,
    protection: PAGE_READWRITE,
  });
  if (!allocated.ok) return allocated;
  const user = new UserMemory(k, process);
  const { base, size } = allocated.value;
  user.writeBytes(base, encodeParameters(parameters, base));
  // The program may rewrite its parameters as far as the allocation reaches.
  user.writeU32(base + PROCESS_PARAMETERS.maximumLength, size);
  return user.faulted ? failure(STATUS_NO_MEMORY) : success(base);
}

/** Creates the first thread of a process: it runs the image's entry point with the PEB as its argument. */
export function createInitialThread(
  k: Kernel,
  guest: X86Guest,
  process: EProcess,
  library: Library,
  options: Pick<ThreadCreation, "createSuspended" | "handle">,
): Blocking<NtResult<CreatedThread>> {
  const routine = process.sectionBaseAddress + library.pe.entry;
  const plan = { routine, argument: process.peb, stackReserve: 0, stackCommit: 0 };
  return PspCreateThread(k, process, {
    setUp: (kernel, thread) => furnishUserThread(kernel, guest, thread, plan),
    startAddress: routine,
    ...options,
  });
}
