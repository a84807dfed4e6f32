/**
 * Capturing arguments from user memory and writing results back. Everything goes through the sticky fault of
 * {@link UserMemory}: capture all, test once. Pointers for results are probed before anything is done, so a bad one has
 * no side effect.
 */
import { CURRENT_PROCESS_HANDLE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import type { UserMemory } from "../mm/usermemory.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { PsGetCurrentProcess } from "../ps/current.ts";
import type { EProcess } from "../ps/objects.ts";

/** Longest object name, in bytes. */
const MAXIMUM_NAME_BYTES = 0xfffe;
const OBJECT_ATTRIBUTES_BYTES = 24;

/** Starts a capture: the fault flag is clear. */
export function capture(k: Kernel): UserMemory {
  return k.mm.user.begin();
}

/**
 * Reads a LARGE_INTEGER timeout.
 * @returns 100 ns from now, or null for no timeout (a null pointer, or the largest negative value)
 */
export function readTimeout(k: Kernel, user: UserMemory, pointer: number): number | null {
  if (pointer === 0) return null;
  const value = BigInt.asIntN(64, user.readU64(pointer));
  if (user.faulted) return 0;
  if (value === -0x8000000000000000n) return null;
  if (value <= 0n) return Number(-value);
  const left = value - KeQuerySystemTime(k);
  return left > 0n ? Number(left) : 0;
}

/** Reads OBJECT_ATTRIBUTES; a null pointer gives an unnamed object. Check `user.faulted` for the rest. */
export function readObjectAttributes(user: UserMemory, pointer: number): NtResult<ObjectAttributes> {
  if (pointer === 0) return success({ rootDirectory: 0, name: null, attributes: 0 });
  if ((pointer & 3) !== 0) return failure(STATUS_DATATYPE_MISALIGNMENT);
  const length = user.readU32(pointer);
  const rootDirectory = user.readU32(pointer + 4);
  const namePointer = user.readU32(pointer + 8);
  const attributes = user.readU32(pointer + 12);
  if (!user.faulted && length !== OBJECT_ATTRIBUTES_BYTES) return failure(STATUS_OBJECT_NAME_INVALID);
  const name = namePointer === 0 || user.faulted ? null : user.readUnicodeString(namePointer, MAXIMUM_NAME_BYTES);
  if (user.faulted) return failure(user.status);
  return success({ rootDirectory, name, attributes });
}

/** Probes a place for a 32-bit result. Null is allowed: then nothing will be written. */
export function probeOut(user: UserMemory, pointer: number): void {
  if (pointer !== 0) user.writeU32(pointer, user.readU32(pointer));
}

/** Writes a 32-bit result unless the pointer is null. */
export function writeOut(k: Kernel, pointer: number, value: number): NtStatus {
  if (pointer === 0) return STATUS_SUCCESS;
  const user = capture(k);
  user.writeU32(pointer, value >>> 0);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

/** Writes a 32-bit result if the routine succeeded. @returns the routine's status, or the fault */
export function answer(k: Kernel, pointer: number, result: NtResult<number>): NtStatus {
  return result.ok ? writeOut(k, pointer, result.value) : result.status;
}

/** References a process for the length of a call; most callers name their own and need no reference. */
export function referenceProcess(k: Kernel, handle: number, access: number): NtResult<EProcess> {
  return ObReferenceObjectByHandle<EProcess>(k, handle, access, k.ps.processType, KeGetPreviousMode(k));
}

/** Whether the handle stands for the caller's own process. */
export function isOwnProcess(handle: number): boolean {
  return handle === CURRENT_PROCESS_HANDLE;
}

/** The caller's process. */
export function ownProcess(k: Kernel): EProcess {
  return PsGetCurrentProcess(k);
}

/** What a query answers: bytes, or why not. */
export type QueryResult = NtResult<Uint8Array>;

/**
 * Writes the answer of a query and its length.
 * @param required what the status of a short buffer is
 */
export function answerQuery(
  k: Kernel,
  buffer: { readonly address: number; readonly length: number; readonly returnLength: number },
  result: QueryResult,
  short: NtStatus,
): NtStatus {
  if (!result.ok) return result.status;
  const user = capture(k);
  if (buffer.returnLength !== 0) user.writeU32(buffer.returnLength, result.value.length);
  const fits = result.value.length <= buffer.length;
  if (fits) user.writeBytes(buffer.address, result.value);
  if (user.faulted) return user.status;
  return fits ? STATUS_SUCCESS : short;
}

/** Probes what {@link answerQuery} will write to. Queries look at this after the length and before the handle. */
export function probeAnswer(
  k: Kernel,
  buffer: { readonly address: number; readonly length: number; readonly returnLength: number },
): NtStatus {
  const user = capture(k);
  if (buffer.length > 0) user.probeWrite(buffer.address, buffer.length);
  if (buffer.returnLength !== 0) user.probeWrite(buffer.returnLength, 4);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

/** The answer of a query for one 32-bit word. */
export function word(value: number): QueryResult {
  return success(new Encoder(4).u32(0, value).bytes);
}

/** Builds little-endian structures, byte by byte: a view of so few bytes would cost the engine more than they do. */
export class Encoder {
  readonly bytes: Uint8Array;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  u8(offset: number, value: number): this {
    this.bytes[offset] = value;
    return this;
  }

  u16(offset: number, value: number): this {
    this.bytes[offset] = value;
    this.bytes[offset + 1] = value >>> 8;
    return this;
  }

  u32(offset: number, value: number): this {
    return this.u16(offset, value).u16(offset + 2, value >>> 16);
  }

  u64(offset: number, value: bigint | number): this {
    const bits = BigInt.asUintN(64, BigInt(value));
    return this.u32(offset, Number(bits & 0xffffffffn)).u32(offset + 4, Number(bits >> 32n));
  }

  utf16(offset: number, text: string): this {
    for (let index = 0; index < text.length; index++) this.u16(offset + 2 * index, text.charCodeAt(index));
    return this;
  }
}
