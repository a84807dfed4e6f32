/**
 * System services on events, mutants, semaphores, timers and keyed events. Where a service answers a state before, its
 * pointer is probed first: a bad one changes nothing.
 */
import {
  type NtResult,
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import {
  NtClearEvent,
  NtCreateEvent,
  NtOpenEvent,
  NtPulseEvent,
  NtQueryEvent,
  NtResetEvent,
  NtSetEvent,
} from "../../ob/exobjects/event.ts";
import {
  NtCreateKeyedEvent,
  NtOpenKeyedEvent,
  NtReleaseKeyedEvent,
  NtWaitForKeyedEvent,
} from "../../ob/exobjects/keyedevent.ts";
import { NtCreateMutant, NtOpenMutant, NtQueryMutant, NtReleaseMutant } from "../../ob/exobjects/mutant.ts";
import {
  NtCreateSemaphore,
  NtOpenSemaphore,
  NtQuerySemaphore,
  NtReleaseSemaphore,
} from "../../ob/exobjects/semaphore.ts";
import { NtCancelTimer, NtCreateTimer, NtOpenTimer, NtQueryTimer, NtSetTimer } from "../../ob/exobjects/timer.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, answerQuery, capture, Encoder, probeOut, readTimeout } from "../capture.ts";
import { createByAttributes, openByAttributes } from "../create.ts";
import type { NtService, ServiceArguments } from "../table.ts";

/** A service that answers a state before through an optional pointer, which is probed before anything changes. */
function changed(k: Kernel, out: number, change: () => NtResult<number>): NtStatus {
  const user = capture(k);
  probeOut(user, out);
  if (user.faulted) return user.status;
  return answer(k, out, change());
}

/** Resets an event, whose state before nobody wants. */
function clearEvent(k: Kernel, [handle = 0]: ServiceArguments): NtStatus {
  const result = NtClearEvent(k, handle);
  return result.ok ? STATUS_SUCCESS : result.status;
}

/** A query with one class. */
function query<T>(
  k: Kernel,
  a: ServiceArguments,
  bytes: number,
  ask: (handle: number) => NtResult<T>,
  encode: (value: T) => Uint8Array,
): NtStatus {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  if (informationClass !== 0) return STATUS_INVALID_INFO_CLASS;
  if (length !== bytes) return STATUS_INFO_LENGTH_MISMATCH;
  const result = ask(handle);
  const encoded = result.ok ? success(encode(result.value)) : result;
  return answerQuery(k, { address, length, returnLength }, encoded, STATUS_INFO_LENGTH_MISMATCH);
}

function createEvent(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const type = a[3] ?? 0;
  if (type > 1) return STATUS_INVALID_PARAMETER;
  return createByAttributes(k, a, (attributes, [, access = 0, , , signaled = 0]) =>
    NtCreateEvent(k, access, attributes, type === 0 ? "notification" : "synchronization", (signaled & 0xff) !== 0),
  );
}

function createTimer(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const type = a[3] ?? 0;
  if (type > 1) return STATUS_INVALID_PARAMETER;
  return createByAttributes(k, a, (attributes, [, access = 0]) =>
    NtCreateTimer(k, access, attributes, type === 0 ? "notification" : "synchronization"),
  );
}

function setTimer(k: Kernel, a: ServiceArguments): NtStatus {
  const [handle = 0, duePointer = 0, routine = 0, context = 0, , period = 0, previous = 0] = a;
  const user = capture(k);
  const due = readTimeout(k, user, duePointer);
  if (user.faulted) return user.status;
  if ((period | 0) < 0) return STATUS_INVALID_PARAMETER;
  const apc = routine === 0 ? null : { routine, context };
  const setting = { due100ns: due ?? Number.MAX_SAFE_INTEGER, periodMs: period, apc };
  return changed(k, previous, () => asNumber(NtSetTimer(k, handle, setting)));
}

function cancelTimer(k: Kernel, [handle = 0, previous = 0]: ServiceArguments): NtStatus {
  return changed(k, previous, () => asNumber(NtCancelTimer(k, handle)));
}

/** Answers a BOOLEAN as the number 0 or 1. */
function asNumber(result: NtResult<boolean>): NtResult<number> {
  return result.ok ? success(result.value ? 1 : 0) : result;
}

function keyed(k: Kernel, a: ServiceArguments, meet: typeof NtWaitForKeyedEvent): NtStatus | Blocking<NtStatus> {
  const [handle = 0, key = 0, alertable = 0, timeoutPointer = 0] = a;
  const user = capture(k);
  const timeout100ns = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  return meet(k, { handle, key, alertable: (alertable & 0xff) !== 0, timeout100ns });
}

const eventServices: readonly NtService[] = [
  { name: "NtCreateEvent", arguments: 5, handler: createEvent },
  { name: "NtOpenEvent", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenEvent) },
  { name: "NtSetEvent", arguments: 2, handler: (k, [h = 0, out = 0]) => changed(k, out, () => NtSetEvent(k, h)) },
  { name: "NtResetEvent", arguments: 2, handler: (k, [h = 0, out = 0]) => changed(k, out, () => NtResetEvent(k, h)) },
  { name: "NtPulseEvent", arguments: 2, handler: (k, [h = 0, out = 0]) => changed(k, out, () => NtPulseEvent(k, h)) },
  { name: "NtClearEvent", arguments: 1, handler: clearEvent },
  {
    name: "NtQueryEvent",
    arguments: 5,
    handler: (k, a) =>
      query(
        k,
        a,
        8,
        (h) => NtQueryEvent(k, h),
        (e) => new Encoder(8).u32(0, e.type === "notification" ? 0 : 1).u32(4, e.state).bytes,
      ),
  },
];

const mutantServices: readonly NtService[] = [
  {
    name: "NtCreateMutant",
    arguments: 4,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0, , owned = 0]) =>
        NtCreateMutant(k, access, attributes, (owned & 0xff) !== 0),
      ),
  },
  { name: "NtOpenMutant", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenMutant) },
  {
    name: "NtReleaseMutant",
    arguments: 2,
    handler: (k, [h = 0, out = 0]) => changed(k, out, () => NtReleaseMutant(k, h)),
  },
  {
    name: "NtQueryMutant",
    arguments: 5,
    handler: (k, a) =>
      query(
        k,
        a,
        8,
        (h) => NtQueryMutant(k, h),
        (m) =>
          new Encoder(8)
            .u32(0, m.currentCount)
            .u8(4, m.ownedByCaller ? 1 : 0)
            .u8(5, m.abandonedState ? 1 : 0).bytes,
      ),
  },
];

const semaphoreServices: readonly NtService[] = [
  {
    name: "NtCreateSemaphore",
    arguments: 5,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0, , initial = 0, maximum = 0]) =>
        NtCreateSemaphore(k, access, attributes, initial | 0, maximum | 0),
      ),
  },
  { name: "NtOpenSemaphore", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenSemaphore) },
  {
    name: "NtReleaseSemaphore",
    arguments: 3,
    handler: (k, [h = 0, count = 0, out = 0]) => changed(k, out, () => NtReleaseSemaphore(k, h, count | 0)),
  },
  {
    name: "NtQuerySemaphore",
    arguments: 5,
    handler: (k, a) =>
      query(
        k,
        a,
        8,
        (h) => NtQuerySemaphore(k, h),
        (s) => new Encoder(8).u32(0, s.currentCount).u32(4, s.maximumCount).bytes,
      ),
  },
];

const timerServices: readonly NtService[] = [
  { name: "NtCreateTimer", arguments: 4, handler: createTimer },
  { name: "NtOpenTimer", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenTimer) },
  { name: "NtSetTimer", arguments: 7, handler: setTimer },
  {
    name: "NtCancelTimer",
    arguments: 2,
    handler: cancelTimer,
  },
  {
    name: "NtQueryTimer",
    arguments: 5,
    handler: (k, a) =>
      query(
        k,
        a,
        16,
        (h) => NtQueryTimer(k, h),
        (t) => new Encoder(16).u64(0, BigInt(Math.floor(t.remaining100ns))).u8(8, t.signaled ? 1 : 0).bytes,
      ),
  },
];

const keyedEventServices: readonly NtService[] = [
  {
    name: "NtCreateKeyedEvent",
    arguments: 4,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0]) => NtCreateKeyedEvent(k, access, attributes)),
  },
  { name: "NtOpenKeyedEvent", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenKeyedEvent) },
  { name: "NtWaitForKeyedEvent", arguments: 4, handler: (k, a) => keyed(k, a, NtWaitForKeyedEvent) },
  { name: "NtReleaseKeyedEvent", arguments: 4, handler: (k, a) => keyed(k, a, NtReleaseKeyedEvent) },
];

export const syncServices: readonly NtService[] = [
  ...eventServices,
  ...mutantServices,
  ...semaphoreServices,
  ...timerServices,
  ...keyedEventServices,
];
