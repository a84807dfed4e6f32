/** System services that adjust, check and copy tokens. */
import { type NtStatus, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { LuidAndAttributes } from "../../se/privilege.ts";
import { NtAdjustPrivilegesToken, NtDuplicateToken, NtPrivilegeCheck } from "../../se/tokenservice.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, probeOut, readObjectAttributes } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

const ENTRY_BYTES = 12;
const MAXIMUM_PRIVILEGES = 64;

/** Reads `count` LUID_AND_ATTRIBUTES; null if there are more than any token has. */
function readPrivileges(user: UserMemory, at: number, count: number): LuidAndAttributes[] | null {
  if (count > MAXIMUM_PRIVILEGES) return null;
  return Array.from({ length: count }, (_, index) => ({
    luid: { low: user.readU32(at + ENTRY_BYTES * index), high: user.readI32(at + ENTRY_BYTES * index + 4) },
    attributes: user.readU32(at + ENTRY_BYTES * index + 8),
  }));
}

function writePrivileges(user: UserMemory, at: number, privileges: readonly LuidAndAttributes[]): void {
  for (const [index, { luid, attributes }] of privileges.entries()) {
    user.writeU32(at + ENTRY_BYTES * index, luid.low);
    user.writeU32(at + ENTRY_BYTES * index + 4, luid.high >>> 0);
    user.writeU32(at + ENTRY_BYTES * index + 8, attributes);
  }
}

function* adjust(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, disableAll = 0, newState = 0, length = 0, previousState = 0, returnLength = 0] = a;
  const user = capture(k);
  const all = (disableAll & 0xff) !== 0;
  const privileges = all ? [] : readPrivileges(user, newState + 4, user.readU32(newState));
  if (previousState !== 0) user.writeU32(returnLength, user.readU32(returnLength));
  if (user.faulted) return user.status;
  if (privileges === null) return STATUS_INVALID_PARAMETER;
  const adjusted = yield* NtAdjustPrivilegesToken(k, handle, { disableAll: all, privileges });
  if (!adjusted.ok || previousState === 0) return adjusted.ok ? adjusted.value.status : adjusted.status;
  const { previous, status } = adjusted.value;
  const needed = 4 + ENTRY_BYTES * previous.length;
  const out = capture(k);
  out.writeU32(returnLength, needed);
  if (needed <= length) {
    out.writeU32(previousState, previous.length);
    writePrivileges(out, previousState + 4, previous);
  }
  if (out.faulted) return out.status;
  return needed <= length ? status : STATUS_BUFFER_TOO_SMALL;
}

const PRIVILEGE_SET_ALL_NECESSARY = 1;

function* check(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, set = 0, resultPointer = 0] = a;
  const user = capture(k);
  const wanted = readPrivileges(user, set + 8, user.readU32(set));
  const all = (user.readU32(set + 4) & PRIVILEGE_SET_ALL_NECESSARY) !== 0;
  user.writeU8(resultPointer, user.readU8(resultPointer));
  if (user.faulted) return user.status;
  if (wanted === null) return STATUS_INVALID_PARAMETER;
  const checked = yield* NtPrivilegeCheck(k, handle, wanted, { all });
  if (!checked.ok) return checked.status;
  const out = capture(k);
  writePrivileges(out, set + 8, checked.value.privileges);
  out.writeU8(resultPointer, checked.value.held ? 1 : 0);
  return out.faulted ? out.status : STATUS_SUCCESS;
}

/** The impersonation level is in the security quality of service behind OBJECT_ATTRIBUTES. */
const QUALITY_OF_SERVICE_OFFSET = 20;

function* duplicate(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, desiredAccess = 0, attributesPointer = 0, effectiveOnly = 0, type = 0, out = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const named = readObjectAttributes(user, attributesPointer);
  const quality = attributesPointer === 0 ? 0 : user.readU32(attributesPointer + QUALITY_OF_SERVICE_OFFSET);
  const level = quality === 0 ? 0 : user.readU32(quality + 4);
  if (user.faulted) return user.status;
  if (!named.ok) return named.status;
  const { attributes } = named.value;
  const request = { desiredAccess, attributes, type, level, effectiveOnly: (effectiveOnly & 0xff) !== 0 };
  return answer(k, out, yield* NtDuplicateToken(k, handle, request));
}

export const privilegeServices: readonly NtService[] = [
  { name: "NtAdjustPrivilegesToken", arguments: 6, handler: adjust },
  { name: "NtPrivilegeCheck", arguments: 3, handler: check },
  { name: "NtDuplicateToken", arguments: 6, handler: duplicate },
];
