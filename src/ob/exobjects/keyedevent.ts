/**
 * Keyed events: a waiter and a releaser of one process meet at a key, and whoever comes first waits for the other. A
 * release is never lost and never counted.
 *
 * Invariant: at any key of a process, either only waiters or only releasers stand in line.
 */
import { KEYEDEVENT_ALL_ACCESS, KEYEDEVENT_WAIT, KEYEDEVENT_WAKE, READ_CONTROL } from "../../abi/ob.ts";
import { WaitReason } from "../../abi/ke.ts";
import { type NtResult, type NtStatus, STATUS_INVALID_PARAMETER_1, STATUS_SUCCESS, success } from "../../abi/status.ts";
import { KeGetCurrentThread, KeGetPreviousMode } from "../../ke/current.ts";
import { KeInitializeEvent, KeSetEvent } from "../../ke/event.ts";
import type { KEvent, KProcess } from "../../ke/objects.ts";
import { KeWaitForSingleObject } from "../../ke/wait.ts";
import type { Kernel } from "../../kernel.ts";
import { ObjectBody } from "../../rtl/body.ts";
import { insertTail, isLinked, ListEntry, listHead, removeEntry } from "../../rtl/list.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { newObjectId } from "../../sim/identity.ts";
import { ObReferenceObjectByHandle } from "../handle.ts";
import type { InsertedObject } from "../insert.ts";
import type { ObjectAttributes } from "../lookup.ts";
import { dropReference, ObDereferenceObject, ObReferenceObject } from "../reference.ts";
import { createObject, openObject } from "../service.ts";
import type { ObjectTypeInit } from "../type.ts";

/** A thread that stands in line. */
class KeyedParty {
  readonly entry: ListEntry<KeyedParty> = new ListEntry<KeyedParty>(this);
  readonly process: KProcess;
  readonly key: number;
  readonly releases: boolean;
  /** Signaled when the other party has come. */
  readonly met: KEvent;

  constructor(process: KProcess, key: number, releases: boolean, met: KEvent) {
    this.process = process;
    this.key = key;
    this.releases = releases;
    this.met = met;
  }
}

export class KeyedEvent extends ObjectBody {
  /** Oldest first. */
  readonly line: ListEntry<KeyedParty> = listHead();
}

export const keyedEventTypeInit: ObjectTypeInit<KeyedEvent> = {
  name: "KeyedEvent",
  validAccess: KEYEDEVENT_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | KEYEDEVENT_WAIT,
    write: READ_CONTROL | KEYEDEVENT_WAKE,
    execute: READ_CONTROL,
    all: KEYEDEVENT_ALL_ACCESS,
  },
  poolBytes: 0x40,
};

/** @returns as ObInsertObject */
export function NtCreateKeyedEvent(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ob.keyedEventType, new KeyedEvent(newObjectId(k)), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenKeyedEvent(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.keyedEventType, desiredAccess, attributes);
}

/** At which keyed event, and how, to meet. */
export interface KeyedMeeting {
  /** 0 for the machine's own keyed event. */
  readonly handle: number;
  /** An address; even. */
  readonly key: number;
  readonly alertable: boolean;
  readonly timeout100ns: number | null;
}

/** Waits for a release at the key. @returns INVALID_PARAMETER_1 for an odd key; errors of the handle and of the wait */
export function NtWaitForKeyedEvent(k: Kernel, meeting: KeyedMeeting): Blocking<NtStatus> {
  return meet(k, meeting, { releases: false });
}

/** Releases one waiter at the key, waiting for it to come. @returns as {@link NtWaitForKeyedEvent} */
export function NtReleaseKeyedEvent(k: Kernel, meeting: KeyedMeeting): Blocking<NtStatus> {
  return meet(k, meeting, { releases: true });
}

function* meet(k: Kernel, meeting: KeyedMeeting, role: { readonly releases: boolean }): Blocking<NtStatus> {
  if ((meeting.key & 1) !== 0) return STATUS_INVALID_PARAMETER_1;
  const reference = referenceKeyedEvent(k, meeting.handle, role.releases ? KEYEDEVENT_WAKE : KEYEDEVENT_WAIT);
  if (!reference.ok) return reference.status;
  const status = yield* standInLine(k, reference.value, meeting, role);
  if (!dropReference(reference.value)) yield* ObDereferenceObject(k, reference.value);
  return status;
}

function referenceKeyedEvent(k: Kernel, handle: number, access: number): NtResult<KeyedEvent> {
  if (handle !== 0) return ObReferenceObjectByHandle(k, handle, access, k.ob.keyedEventType, KeGetPreviousMode(k));
  ObReferenceObject(k.ob.criticalSectionEvent);
  return success(k.ob.criticalSectionEvent);
}

function* standInLine(
  k: Kernel,
  event: KeyedEvent,
  meeting: KeyedMeeting,
  role: { readonly releases: boolean },
): Blocking<NtStatus> {
  const { process } = KeGetCurrentThread(k);
  const { key, alertable, timeout100ns } = meeting;
  const other = findParty(event, process, key, { releases: !role.releases });
  if (other !== null) {
    removeEntry(other.entry);
    KeSetEvent(k, other.met, 1);
    return STATUS_SUCCESS;
  }
  const met = KeInitializeEvent(k, "synchronization", false);
  const party = new KeyedParty(process, key, role.releases, met);
  insertTail(event.line, party.entry);
  const mode = KeGetPreviousMode(k);
  const status = yield* KeWaitForSingleObject(k, met, {
    reason: WaitReason.UserRequest,
    mode,
    alertable,
    timeout100ns,
  });
  if (status === STATUS_SUCCESS) return status;
  // Whoever met this thread before it could give up has counted on it.
  if (!isLinked(party.entry)) return STATUS_SUCCESS;
  removeEntry(party.entry);
  return status;
}

function findParty(
  event: KeyedEvent,
  process: KProcess,
  key: number,
  role: { readonly releases: boolean },
): KeyedParty | null {
  for (let entry = event.line.flink; entry?.owner; entry = entry.flink) {
    const party = entry.owner;
    if (party.process === process && party.key === key && party.releases === role.releases) return party;
  }
  return null;
}
