/** Event objects: the simplest thing that one thread can wait for and another can signal. */
import { DispatcherType } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import { KEvent } from "./objects.ts";
import { KiWaitTest } from "./waittest.ts";

/** `NotificationEvent` stays signaled and wakes everybody; `SynchronizationEvent` wakes one thread and resets. */
export type EventType = "notification" | "synchronization";

export function KeInitializeEvent(k: Kernel, type: EventType, signaled: boolean): KEvent {
  const header = type === "notification" ? DispatcherType.EventNotification : DispatcherType.EventSynchronization;
  return new KEvent(newObjectId(k), header, signaled ? 1 : 0);
}

/** Signals the event. @returns the state before */
export function KeSetEvent(k: Kernel, event: KEvent, increment: number): number {
  const before = event.signalState;
  event.signalState = 1;
  if (before === 0) KiWaitTest(k, event, increment);
  return before;
}

/** @returns the state before */
export function KeResetEvent(event: KEvent): number {
  const before = event.signalState;
  event.signalState = 0;
  return before;
}

/** Wakes those who wait now and leaves the event unsignaled. @returns the state before */
export function KePulseEvent(k: Kernel, event: KEvent, increment: number): number {
  const before = event.signalState;
  event.signalState = 1;
  if (before === 0) KiWaitTest(k, event, increment);
  event.signalState = 0;
  return before;
}
