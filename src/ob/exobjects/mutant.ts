/** The mutant services: what user mode can do with a mutant by handle or by name. */
import { MUTANT_ALL_ACCESS, MUTANT_QUERY_STATE, READ_CONTROL } from "../../abi/ob.ts";
import { SYNCHRONIZE } from "../../abi/ps.ts";
import { type NtResult, success } from "../../abi/status.ts";
import { KeGetCurrentThread } from "../../ke/current.ts";
import { KeInitializeMutant, KeReleaseMutant, rundownMutantObject } from "../../ke/mutant.ts";
import type { KMutant } from "../../ke/objects.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { InsertedObject } from "../insert.ts";
import type { ObjectAttributes } from "../lookup.ts";
import { actAtOnce, createObject, openObject } from "../service.ts";
import type { ObjectTypeInit } from "../type.ts";
import { MUTANT_INCREMENT } from "../wait.ts";

export const mutantTypeInit: ObjectTypeInit<KMutant> = {
  name: "Mutant",
  validAccess: MUTANT_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | MUTANT_QUERY_STATE,
    write: READ_CONTROL,
    execute: READ_CONTROL | SYNCHRONIZE,
    all: MUTANT_ALL_ACCESS,
  },
  poolBytes: 0x50,
  deleteProcedure: ExpDeleteMutant,
  defaultObject: (mutant) => mutant,
};

/** The last reference may go while somebody still owns it: it leaves the owner's list. */
// eslint-disable-next-line require-yield
function* ExpDeleteMutant(_k: Kernel, mutant: KMutant): Blocking<void> {
  rundownMutantObject(mutant);
}

/** @returns as ObInsertObject */
export function NtCreateMutant(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  initialOwner: boolean,
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ob.mutantType, KeInitializeMutant(k, { initialOwner }), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenMutant(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.mutantType, desiredAccess, attributes);
}

/** No access is required to release what one owns. @returns the count before; MUTANT_NOT_OWNED; errors of the handle */
export function NtReleaseMutant(k: Kernel, handle: number): NtResult<number> {
  return actAtOnce<KMutant, number>(k, k.ob.mutantType, handle, 0, (mutant) =>
    KeReleaseMutant(k, mutant, MUTANT_INCREMENT),
  );
}

/** `MUTANT_BASIC_INFORMATION`. */
export interface MutantInformation {
  readonly currentCount: number;
  readonly ownedByCaller: boolean;
  readonly abandonedState: boolean;
}

/** @returns errors of the handle */
export function NtQueryMutant(k: Kernel, handle: number): NtResult<MutantInformation> {
  return actAtOnce<KMutant, MutantInformation>(k, k.ob.mutantType, handle, MUTANT_QUERY_STATE, (mutant) =>
    success({
      currentCount: mutant.signalState,
      ownedByCaller: mutant.ownerThread === KeGetCurrentThread(k),
      abandonedState: mutant.abandoned,
    }),
  );
}
