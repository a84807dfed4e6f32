/** The services of directories and symbolic links, and what becomes of names. */
import {
  DELETE,
  DIRECTORY_ALL_ACCESS,
  DIRECTORY_CREATE_OBJECT,
  DIRECTORY_CREATE_SUBDIRECTORY,
  DIRECTORY_QUERY,
  DIRECTORY_TRAVERSE,
  OBJECT_TYPE_ALL_ACCESS,
  READ_CONTROL,
  SYMBOLIC_LINK_ALL_ACCESS,
  SYMBOLIC_LINK_QUERY,
} from "../abi/ob.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { makePermanent } from "./create.ts";
import { insertEntry, listEntries, ObjectDirectory } from "./directory.ts";
import { ObReferenceObjectByHandle } from "./handle.ts";
import { headerOf } from "./header.ts";
import type { InsertedObject } from "./insert.ts";
import type { ObjectAttributes } from "./lookup.ts";
import { ObMakeTemporaryObject } from "./name.ts";
import { ObDereferenceObject } from "./reference.ts";
import { actOnObject, createObject, openObject } from "./service.ts";
import { ObjectSymbolicLink } from "./symlink.ts";
import type { ObjectType, ObjectTypeInit } from "./type.ts";

export const typeTypeInit: ObjectTypeInit<ObjectType> = {
  name: "Type",
  validAccess: OBJECT_TYPE_ALL_ACCESS,
  genericMapping: { read: READ_CONTROL, write: READ_CONTROL, execute: READ_CONTROL, all: OBJECT_TYPE_ALL_ACCESS },
  poolBytes: 0xc8,
  poolTag: "ObjT",
};

export const directoryTypeInit: ObjectTypeInit<ObjectDirectory> = {
  name: "Directory",
  validAccess: DIRECTORY_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | DIRECTORY_QUERY | DIRECTORY_TRAVERSE,
    write: READ_CONTROL | DIRECTORY_CREATE_OBJECT | DIRECTORY_CREATE_SUBDIRECTORY,
    execute: READ_CONTROL | DIRECTORY_QUERY | DIRECTORY_TRAVERSE,
    all: DIRECTORY_ALL_ACCESS,
  },
  poolBytes: 0xc0,
};

export const symbolicLinkTypeInit: ObjectTypeInit<ObjectSymbolicLink> = {
  name: "SymbolicLink",
  validAccess: SYMBOLIC_LINK_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | SYMBOLIC_LINK_QUERY,
    write: READ_CONTROL,
    execute: READ_CONTROL | SYMBOLIC_LINK_QUERY,
    all: SYMBOLIC_LINK_ALL_ACCESS,
  },
  poolBytes: 0x40,
};

/** @returns as ObInsertObject */
export function NtCreateDirectoryObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ob.directoryType, new ObjectDirectory(newObjectId(k)), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenDirectoryObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.directoryType, desiredAccess, attributes);
}

/** `OBJECT_DIRECTORY_INFORMATION`. */
export interface DirectoryListing {
  readonly name: string;
  readonly typeName: string;
}

/** Everything in a directory. @returns errors of the handle */
export function NtQueryDirectoryObject(k: Kernel, handle: number): Blocking<NtResult<DirectoryListing[]>> {
  return actOnObject<ObjectDirectory, DirectoryListing[]>(k, k.ob.directoryType, handle, DIRECTORY_QUERY, (directory) =>
    success(listEntries(directory).map(({ name, body }) => ({ name, typeName: headerOf(body).type.name }))),
  );
}

/** @returns INVALID_PARAMETER without a target that begins at the root; as ObInsertObject */
export function* NtCreateSymbolicLinkObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
  target: string,
): Blocking<NtResult<InsertedObject>> {
  if (!target.startsWith("\\")) return failure(STATUS_INVALID_PARAMETER);
  const link = new ObjectSymbolicLink(newObjectId(k), target);
  return yield* createObject(k, k.ob.symbolicLinkType, link, desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenSymbolicLinkObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.symbolicLinkType, desiredAccess, attributes);
}

/** Where a symbolic link leads. @returns errors of the handle */
export function NtQuerySymbolicLinkObject(k: Kernel, handle: number): Blocking<NtResult<string>> {
  return actOnObject<ObjectSymbolicLink, string>(k, k.ob.symbolicLinkType, handle, SYMBOLIC_LINK_QUERY, (link) =>
    success(link.target),
  );
}

/** Lets an object's name go with its last handle. @returns errors of the handle (DELETE is required), or SUCCESS */
export function* NtMakeTemporaryObject(k: Kernel, handle: number): Blocking<NtStatus> {
  const reference = ObReferenceObjectByHandle<ObjectBody>(k, handle, DELETE, null, KeGetPreviousMode(k));
  if (!reference.ok) return reference.status;
  yield* ObMakeTemporaryObject(k, reference.value);
  yield* ObDereferenceObject(k, reference.value);
  return STATUS_SUCCESS;
}

/** A directory that is there from boot on. */
export function createPermanentDirectory(k: Kernel, parent: ObjectDirectory, name: string): ObjectDirectory {
  const directory = new ObjectDirectory(newObjectId(k));
  makePermanent(k, directory, k.ob.directoryType);
  insertEntry(parent, name, directory);
  return directory;
}

/** A symbolic link that is there from boot on. */
export function createPermanentLink(k: Kernel, parent: ObjectDirectory, name: string, target: string): void {
  const link = new ObjectSymbolicLink(newObjectId(k), target);
  makePermanent(k, link, k.ob.symbolicLinkType);
  insertEntry(parent, name, link);
}
