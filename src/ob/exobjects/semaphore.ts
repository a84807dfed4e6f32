/** The semaphore services: what user mode can do with a semaphore by handle or by name. */
import { READ_CONTROL, SEMAPHORE_ALL_ACCESS, SEMAPHORE_MODIFY_STATE, SEMAPHORE_QUERY_STATE } from "../../abi/ob.ts";
import { SYNCHRONIZE } from "../../abi/ps.ts";
import { failure, type NtResult, STATUS_INVALID_PARAMETER, success } from "../../abi/status.ts";
import type { KSemaphore } from "../../ke/objects.ts";
import { KeInitializeSemaphore, KeReleaseSemaphore } from "../../ke/semaphore.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { InsertedObject } from "../insert.ts";
import type { ObjectAttributes } from "../lookup.ts";
import { actAtOnce, createObject, openObject } from "../service.ts";
import type { ObjectTypeInit } from "../type.ts";
import { SEMAPHORE_INCREMENT } from "../wait.ts";

export const semaphoreTypeInit: ObjectTypeInit<KSemaphore> = {
  name: "Semaphore",
  validAccess: SEMAPHORE_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | SEMAPHORE_QUERY_STATE,
    write: READ_CONTROL | SEMAPHORE_MODIFY_STATE,
    execute: READ_CONTROL | SYNCHRONIZE,
    all: SEMAPHORE_ALL_ACCESS,
  },
  poolBytes: 0x48,
  defaultObject: (semaphore) => semaphore,
};

/** @returns INVALID_PARAMETER unless 0 <= initial <= maximum and maximum > 0; as ObInsertObject */
export function* NtCreateSemaphore(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  initialCount: number,
  maximumCount: number,
): Blocking<NtResult<InsertedObject>> {
  if (maximumCount <= 0 || initialCount < 0 || initialCount > maximumCount) return failure(STATUS_INVALID_PARAMETER);
  const semaphore = KeInitializeSemaphore(k, initialCount, maximumCount);
  return yield* createObject(k, k.ob.semaphoreType, semaphore, desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenSemaphore(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.semaphoreType, desiredAccess, attributes);
}

/** @returns the count before; INVALID_PARAMETER unless `count` > 0; SEMAPHORE_LIMIT_EXCEEDED; errors of the handle */
export function NtReleaseSemaphore(k: Kernel, handle: number, count: number): NtResult<number> {
  if (count <= 0) return failure(STATUS_INVALID_PARAMETER);
  return actAtOnce<KSemaphore, number>(k, k.ob.semaphoreType, handle, SEMAPHORE_MODIFY_STATE, (semaphore) =>
    KeReleaseSemaphore(k, semaphore, SEMAPHORE_INCREMENT, count),
  );
}

/** `SEMAPHORE_BASIC_INFORMATION`. */
export interface SemaphoreInformation {
  readonly currentCount: number;
  readonly maximumCount: number;
}

/** @returns errors of the handle */
export function NtQuerySemaphore(k: Kernel, handle: number): NtResult<SemaphoreInformation> {
  return actAtOnce<KSemaphore, SemaphoreInformation>(
    k,
    k.ob.semaphoreType,
    handle,
    SEMAPHORE_QUERY_STATE,
    (semaphore) => success({ currentCount: semaphore.signalState, maximumCount: semaphore.limit }),
  );
}
