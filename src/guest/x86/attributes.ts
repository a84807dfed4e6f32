/** `PS_ATTRIBUTE_LIST`: the extensible arguments of thread and process creation. */
import {
  type NtResult,
  type NtStatus,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  failure,
  success,
} from "../../abi/status.ts";
import type { UserMemory } from "../../mm/usermemory.ts";

/** Attribute numbers with their flags, as user mode passes them. */
export const PsAttribute = {
  ParentProcess: 0x60000,
  DebugObject: 0x60001,
  Token: 0x60002,
  ClientId: 0x10003,
  TebAddress: 0x10004,
  ImageName: 0x20005,
  ImageInfo: 0x00006,
  StdHandleInfo: 0x2000a,
  HandleList: 0x2000b,
  JobList: 0x20013,
} as const;

export interface PsAttributeEntry {
  readonly attribute: number;
  readonly size: number;
  readonly value: number;
  readonly returnLength: number;
}

const HEADER_BYTES = 4;
const ENTRY_BYTES = 16;
const MAXIMUM_ENTRIES = 32;

/** Reads a list; a null pointer gives an empty one. Check `user.faulted` as well. */
export function readAttributeList(user: UserMemory, pointer: number): NtResult<readonly PsAttributeEntry[]> {
  if (pointer === 0) return success([]);
  const total = user.readU32(pointer);
  const count = (total - HEADER_BYTES) / ENTRY_BYTES;
  if (!Number.isInteger(count) || count < 0 || count > MAXIMUM_ENTRIES) return failure(STATUS_INVALID_PARAMETER);
  const entries: PsAttributeEntry[] = [];
  for (let index = 0; index < count; index++) {
    const at = pointer + HEADER_BYTES + ENTRY_BYTES * index;
    entries.push({
      attribute: user.readU32(at),
      size: user.readU32(at + 4),
      value: user.readU32(at + 8),
      returnLength: user.readU32(at + 12),
    });
  }
  return success(entries);
}

export function findAttribute(entries: readonly PsAttributeEntry[], attribute: number): PsAttributeEntry | null {
  return entries.find((entry) => entry.attribute === attribute) ?? null;
}

/** What a creation tells its caller through the list. */
export interface CreationResults {
  readonly pid: number;
  readonly tid: number;
  readonly teb: number;
  /** `SECTION_IMAGE_INFORMATION`, for a process. */
  readonly image: Uint8Array | null;
}

/** Writes the results that the list asks for. */
export function writeAttributeResults(
  user: UserMemory,
  entries: readonly PsAttributeEntry[],
  results: CreationResults,
): NtStatus {
  for (const { attribute, size, value } of entries) {
    if (attribute === PsAttribute.ClientId && size >= 8) {
      user.writeU32(value, results.pid);
      user.writeU32(value + 4, results.tid);
    } else if (attribute === PsAttribute.TebAddress && size >= 4) {
      user.writeU32(value, results.teb);
    } else if (attribute === PsAttribute.ImageInfo && results.image !== null && size >= results.image.length) {
      user.writeBytes(value, results.image);
    }
  }
  return user.faulted ? user.status : STATUS_SUCCESS;
}
