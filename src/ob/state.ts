/** The object manager's state, and the names that every machine has from boot on. */
import { HandleTable } from "../ex/handle.ts";
import { DispatcherType } from "../abi/ke.ts";
import { KEvent } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { SimState } from "../sim/state.ts";
import { makePermanent, registerType } from "./create.ts";
import { insertEntry, ObjectDirectory } from "./directory.ts";
import { eventTypeInit } from "./exobjects/event.ts";
import { KeyedEvent, keyedEventTypeInit } from "./exobjects/keyedevent.ts";
import { mutantTypeInit } from "./exobjects/mutant.ts";
import { semaphoreTypeInit } from "./exobjects/semaphore.ts";
import { timerTypeInit } from "./exobjects/timer.ts";
import type { ObjectHeader } from "./header.ts";
import {
  createPermanentDirectory,
  createPermanentLink,
  directoryTypeInit,
  symbolicLinkTypeInit,
  typeTypeInit,
} from "./namespace.ts";
import type { ObProcess } from "./process.ts";
import { createObReaper, ObDereferenceObjectEx, type ObReaperState, ObReferenceObject } from "./reference.ts";
import { ObjectType, type ObjectTypeInit } from "./type.ts";

export interface ObState {
  /** In the order in which they were registered. */
  readonly types: ObjectType[];
  readonly typeType: ObjectType;
  readonly directoryType: ObjectType;
  readonly symbolicLinkType: ObjectType;
  readonly eventType: ObjectType;
  readonly mutantType: ObjectType;
  readonly semaphoreType: ObjectType;
  readonly timerType: ObjectType;
  readonly keyedEventType: ObjectType;
  readonly rootDirectory: ObjectDirectory;
  /** `\ObjectTypes`. */
  readonly typeDirectory: ObjectDirectory;
  /** Always signaled: what a wait for an object without a dispatcher part waits for. */
  readonly defaultObject: KEvent;
  /** What user mode means by the keyed event 0. */
  readonly criticalSectionEvent: KeyedEvent;
  readonly kernelHandleTable: HandleTable;
  /** Owner of the kernel's handles, once there is a System process. */
  systemProcess: ObProcess | null;
  /** Every object, oldest first. */
  readonly live: Set<ObjectHeader>;
  readonly reaper: ObReaperState;
}

export function createObState(sim: SimState): ObState {
  const id = (): number => ++sim.lastObjectId;
  // Bodies of class T are the only ones that are ever made objects of the type.
  const type = <T extends ObjectBody>(init: ObjectTypeInit<T>): ObjectType =>
    new ObjectType(id(), init as unknown as ObjectTypeInit<ObjectBody>);
  return {
    types: [],
    typeType: type(typeTypeInit),
    directoryType: type(directoryTypeInit),
    symbolicLinkType: type(symbolicLinkTypeInit),
    eventType: type(eventTypeInit),
    mutantType: type(mutantTypeInit),
    semaphoreType: type(semaphoreTypeInit),
    timerType: type(timerTypeInit),
    keyedEventType: type(keyedEventTypeInit),
    rootDirectory: new ObjectDirectory(id()),
    typeDirectory: new ObjectDirectory(id()),
    defaultObject: new KEvent(id(), DispatcherType.EventNotification, 1),
    criticalSectionEvent: new KeyedEvent(id()),
    kernelHandleTable: new HandleTable(),
    systemProcess: null,
    live: new Set(),
    reaper: createObReaper(),
  };
}

/** Joins the object manager with the executive and makes the name space. Runs once, while the machine boots. */
export function ObInitSystem(k: Kernel): void {
  const { ob } = k;
  k.ex.upcalls.referenceObject = ObReferenceObject;
  k.ex.upcalls.dereferenceObject = ObDereferenceObjectEx;
  makePermanent(k, ob.rootDirectory, ob.directoryType);
  makePermanent(k, ob.typeDirectory, ob.directoryType);
  insertEntry(ob.rootDirectory, "ObjectTypes", ob.typeDirectory);
  const { typeType, directoryType, symbolicLinkType, eventType, mutantType, semaphoreType, timerType } = ob;
  const { keyedEventType } = ob;
  for (const type of [
    typeType,
    directoryType,
    symbolicLinkType,
    eventType,
    mutantType,
    semaphoreType,
    timerType,
    keyedEventType,
  ]) {
    registerType(k, type);
  }
  createNameSpace(k);
}

function createNameSpace(k: Kernel): void {
  const root = k.ob.rootDirectory;
  createPermanentDirectory(k, root, "Device");
  createPermanentDirectory(k, root, "KnownDlls");
  createPermanentDirectory(k, root, "??");
  createPermanentLink(k, root, "DosDevices", "\\??");
  createPermanentLink(k, root, "GLOBAL??", "\\??");
  createBaseNamedObjects(k, root, "\\BaseNamedObjects");
  const session = createPermanentDirectory(k, createPermanentDirectory(k, root, "Sessions"), "1");
  createBaseNamedObjects(k, session, "\\Sessions\\1\\BaseNamedObjects");
  const kernelObjects = createPermanentDirectory(k, root, "KernelObjects");
  makePermanent(k, k.ob.criticalSectionEvent, k.ob.keyedEventType);
  insertEntry(kernelObjects, "CritSecOutOfMemoryEvent", k.ob.criticalSectionEvent);
}

/** The directory of one session's names, with the prefixes that programs may choose a session by. */
function createBaseNamedObjects(k: Kernel, parent: ObjectDirectory, path: string): void {
  const directory = createPermanentDirectory(k, parent, "BaseNamedObjects");
  createPermanentLink(k, directory, "Global", "\\BaseNamedObjects");
  createPermanentLink(k, directory, "Local", path);
}
