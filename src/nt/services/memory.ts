/**
 * System services on virtual memory: capture, call the memory manager on the process that the handle names, write back.
 * Another process is referenced for the length of the call; the caller's own needs none.
 */
import { PROCESS_QUERY_INFORMATION, PROCESS_VM_OPERATION, PROCESS_VM_READ, PROCESS_VM_WRITE } from "../../abi/ps.ts";
import {
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
} from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { type CopyResult, MmCopyVirtualMemory } from "../../mm/copy.ts";
import { MmFreeVirtualMemory } from "../../mm/free.ts";
import type { Region } from "../../mm/virtual.ts";
import { MmAllocateVirtualMemory } from "../../mm/virtual.ts";
import { MmProtectVirtualMemory } from "../../mm/protect.ts";
import { MmQueryVirtualMemory } from "../../mm/query.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answerQuery, capture, Encoder, isOwnProcess, ownProcess, referenceProcess } from "../capture.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";

/** Runs `act` on the process that the handle names. */
export function onProcess(
  k: Kernel,
  handle: number,
  access: number,
  act: (process: EProcess) => NtStatus,
): NtStatus | Blocking<NtStatus> {
  if (isOwnProcess(handle)) return act(ownProcess(k));
  return onOtherProcess(k, handle, access, act);
}

function* onOtherProcess(
  k: Kernel,
  handle: number,
  access: number,
  act: (process: EProcess) => NtStatus,
): Blocking<NtStatus> {
  const process = referenceProcess(k, handle, access);
  if (!process.ok) return process.status;
  const status = act(process.value);
  yield* ObDereferenceObject(k, process.value);
  return status;
}

function writeRegion(k: Kernel, basePointer: number, sizePointer: number, region: Region): NtStatus {
  const user = capture(k);
  user.writeU32(basePointer, region.base);
  user.writeU32(sizePointer, region.size);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function NtAllocateVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, basePointer = 0, zeroBits = 0, sizePointer = 0, allocationType = 0, protection = 0] = a;
  const user = capture(k);
  const base = user.readU32(basePointer);
  const size = user.readU32(sizePointer);
  if (user.faulted) return user.status;
  return onProcess(k, handle, PROCESS_VM_OPERATION, (process) => {
    const result = MmAllocateVirtualMemory(k, process, { base, zeroBits, size, allocationType, protection });
    return result.ok ? writeRegion(k, basePointer, sizePointer, result.value) : result.status;
  });
}

function NtFreeVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, basePointer = 0, sizePointer = 0, freeType = 0] = a;
  const user = capture(k);
  const base = user.readU32(basePointer);
  const size = user.readU32(sizePointer);
  if (user.faulted) return user.status;
  return onProcess(k, handle, PROCESS_VM_OPERATION, (process) => {
    const result = MmFreeVirtualMemory(k, process, { base, size, freeType });
    return result.ok ? writeRegion(k, basePointer, sizePointer, result.value) : result.status;
  });
}

function NtProtectVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, basePointer = 0, sizePointer = 0, protection = 0, oldPointer = 0] = a;
  const user = capture(k);
  const base = user.readU32(basePointer);
  const size = user.readU32(sizePointer);
  user.writeU32(oldPointer, user.readU32(oldPointer));
  if (user.faulted) return user.status;
  return onProcess(k, handle, PROCESS_VM_OPERATION, (process) => {
    const result = MmProtectVirtualMemory(k, process, { base, size, protection });
    if (!result.ok) return result.status;
    const out = capture(k);
    out.writeU32(oldPointer, result.value.oldProtection);
    if (out.faulted) return out.status;
    return writeRegion(k, basePointer, sizePointer, result.value);
  });
}

const MEMORY_BASIC_INFORMATION_BYTES = 28;

function NtQueryVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, address = 0, informationClass = 0, buffer = 0, length = 0, returnLength = 0] = a;
  if (informationClass !== 0) {
    // Class 1000 is Wine asking for its unix half, which does not exist here.
    if (informationClass < 1000) notImplemented(k, `NtQueryVirtualMemory class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (length < MEMORY_BASIC_INFORMATION_BYTES) return STATUS_INFO_LENGTH_MISMATCH;
  return onProcess(k, handle, PROCESS_QUERY_INFORMATION, (process) => {
    const result = MmQueryVirtualMemory(k, process, address);
    if (!result.ok) return result.status;
    const m = result.value;
    const out = new Encoder(MEMORY_BASIC_INFORMATION_BYTES).u32(0, m.baseAddress).u32(4, m.allocationBase);
    out.u32(8, m.allocationProtect).u32(12, m.regionSize).u32(16, m.state).u32(20, m.protect).u32(24, m.type);
    const target = { address: buffer, length, returnLength };
    return answerQuery(k, target, { ok: true, value: out.bytes }, STATUS_INFO_LENGTH_MISMATCH);
  });
}

function NtReadVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, address = 0, buffer = 0, length = 0, returnLength = 0] = a;
  return onProcess(k, handle, PROCESS_VM_READ, (process) => {
    const target = ownProcess(k);
    const copied = MmCopyVirtualMemory(k, { process, address }, { process: target, address: buffer }, length);
    return writeCopied(k, returnLength, copied);
  });
}

function NtWriteVirtualMemory(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, address = 0, buffer = 0, length = 0, returnLength = 0] = a;
  return onProcess(k, handle, PROCESS_VM_WRITE, (process) => {
    const source = ownProcess(k);
    const copied = MmCopyVirtualMemory(k, { process: source, address: buffer }, { process, address }, length);
    return writeCopied(k, returnLength, copied);
  });
}

function writeCopied(k: Kernel, pointer: number, copied: CopyResult): NtStatus {
  if (pointer === 0) return copied.status;
  const user = capture(k);
  user.writeU32(pointer, copied.bytes);
  return user.faulted ? user.status : copied.status;
}

function NtFlushInstructionCache(): NtStatus {
  return STATUS_SUCCESS;
}

export const memoryServices: readonly NtService[] = [
  { name: "NtAllocateVirtualMemory", arguments: 6, handler: NtAllocateVirtualMemory },
  { name: "NtFreeVirtualMemory", arguments: 4, handler: NtFreeVirtualMemory },
  { name: "NtProtectVirtualMemory", arguments: 5, handler: NtProtectVirtualMemory },
  { name: "NtQueryVirtualMemory", arguments: 6, handler: NtQueryVirtualMemory },
  { name: "NtReadVirtualMemory", arguments: 5, handler: NtReadVirtualMemory },
  { name: "NtWriteVirtualMemory", arguments: 5, handler: NtWriteVirtualMemory },
  { name: "NtFlushInstructionCache", arguments: 3, handler: NtFlushInstructionCache },
];
