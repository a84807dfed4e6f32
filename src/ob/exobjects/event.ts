/** The event services: what user mode can do with an event by handle or by name. */
import { DispatcherType } from "../../abi/ke.ts";
import { EVENT_ALL_ACCESS, EVENT_MODIFY_STATE, EVENT_QUERY_STATE, READ_CONTROL } from "../../abi/ob.ts";
import { SYNCHRONIZE } from "../../abi/ps.ts";
import { type NtResult, success } from "../../abi/status.ts";
import { type EventType, KeInitializeEvent, KePulseEvent, KeResetEvent, KeSetEvent } from "../../ke/event.ts";
import type { KEvent } from "../../ke/objects.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { InsertedObject } from "../insert.ts";
import type { ObjectAttributes } from "../lookup.ts";
import { actAtOnce, createObject, openObject } from "../service.ts";
import type { ObjectTypeInit } from "../type.ts";
import { EVENT_INCREMENT } from "../wait.ts";

export const eventTypeInit: ObjectTypeInit<KEvent> = {
  name: "Event",
  validAccess: EVENT_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | EVENT_QUERY_STATE,
    write: READ_CONTROL | EVENT_MODIFY_STATE,
    execute: READ_CONTROL | SYNCHRONIZE,
    all: EVENT_ALL_ACCESS,
  },
  poolBytes: 0x40,
  defaultObject: (event) => event,
};

/** @returns as ObInsertObject */
export function NtCreateEvent(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  type: EventType,
  signaled: boolean,
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ob.eventType, KeInitializeEvent(k, type, signaled), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenEvent(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.eventType, desiredAccess, attributes);
}

/** @returns the state before; errors of the handle */
export function NtSetEvent(k: Kernel, handle: number): NtResult<number> {
  return change(k, handle, (event) => KeSetEvent(k, event, EVENT_INCREMENT));
}

/** @returns the state before; errors of the handle */
export function NtResetEvent(k: Kernel, handle: number): NtResult<number> {
  return change(k, handle, KeResetEvent);
}

/** As {@link NtResetEvent}, for callers who do not care for the state before. */
export function NtClearEvent(k: Kernel, handle: number): NtResult<number> {
  return change(k, handle, KeResetEvent);
}

/** @returns the state before; errors of the handle */
export function NtPulseEvent(k: Kernel, handle: number): NtResult<number> {
  return change(k, handle, (event) => KePulseEvent(k, event, EVENT_INCREMENT));
}

/** `EVENT_BASIC_INFORMATION`. */
export interface EventInformation {
  readonly type: EventType;
  readonly state: number;
}

/** @returns errors of the handle */
export function NtQueryEvent(k: Kernel, handle: number): NtResult<EventInformation> {
  return actAtOnce<KEvent, EventInformation>(k, k.ob.eventType, handle, EVENT_QUERY_STATE, (event) =>
    success({
      type: event.type === DispatcherType.EventNotification ? "notification" : "synchronization",
      state: event.signalState,
    }),
  );
}

function change(k: Kernel, handle: number, act: (event: KEvent) => number): NtResult<number> {
  return actAtOnce<KEvent, number>(k, k.ob.eventType, handle, EVENT_MODIFY_STATE, (event) => success(act(event)));
}
