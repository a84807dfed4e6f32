/**
 * Queues of messages, and which queue a message goes to.
 *
 * Invariant: the semaphore of a port counts its queued messages, less those that a thread was woken for and has not
 * taken yet; a waitable port is signaled exactly while its queue holds something.
 */
import { KeResetEvent, KeSetEvent } from "../ke/event.ts";
import { KeReleaseSemaphore } from "../ke/semaphore.ts";
import type { Kernel } from "../kernel.ts";
import { insertTail, isLinked, isListEmpty, removeEntry, removeHead } from "../rtl/list.ts";
import type { LpcpMessage } from "./message.ts";
import type { LpcPort } from "./port.ts";

/** Priority that a receiver gains by a message. */
export const LPC_INCREMENT = 1;

/** Where a message goes that is sent through some port. */
export interface Destination {
  readonly queue: LpcPort;
  /** The port without which no answer can come. */
  readonly rundown: LpcPort;
  readonly portContext: number;
}

/** Where a message goes that is sent through `port`; null if nobody is at the other end any more. */
export function destinationOf(port: LpcPort): Destination | null {
  if (port.kind === "connection") return { queue: port, rundown: port, portContext: 0 };
  const { connectedPort, connectionPort } = port;
  if (connectedPort === null) return null;
  if (port.kind === "server") return { queue: connectedPort, rundown: connectedPort, portContext: 0 };
  if (connectionPort === null) return null;
  return { queue: connectionPort, rundown: connectedPort, portContext: connectedPort.portContext };
}

/** Whose queue is read through `port`; null if its peer has gone. A server reads the queue of its connection port. */
export function receivePortOf(port: LpcPort): LpcPort | null {
  return port.kind === "client" ? port : port.connectionPort;
}

/** Appends a message and wakes a receiver. */
export function queueMessage(k: Kernel, queue: LpcPort, message: LpcpMessage): void {
  insertTail(queue.receiveHead, message.entry);
  KeReleaseSemaphore(k, queue.semaphore, LPC_INCREMENT, 1);
  if (queue.waitEvent !== null) KeSetEvent(k, queue.waitEvent, LPC_INCREMENT);
}

/** Takes the oldest message, for a thread that the semaphore let pass; null if it was withdrawn since. */
export function takeMessage(queue: LpcPort): LpcpMessage | null {
  const message = removeHead(queue.receiveHead);
  resetIfEmpty(queue);
  return message;
}

/** Takes back a message that may have been received already. */
export function withdrawMessage(queue: LpcPort, message: LpcpMessage): void {
  if (!isLinked(message.entry)) return;
  removeEntry(message.entry);
  // A receiver that was woken for it finds nothing and waits again.
  if (queue.semaphore.signalState > 0) queue.semaphore.signalState--;
  resetIfEmpty(queue);
}

/** Empties a queue. @returns its messages, oldest first */
export function drainQueue(queue: LpcPort): LpcpMessage[] {
  const messages: LpcpMessage[] = [];
  for (let message = removeHead(queue.receiveHead); message !== null; message = removeHead(queue.receiveHead)) {
    messages.push(message);
  }
  queue.semaphore.signalState = 0;
  resetIfEmpty(queue);
  return messages;
}

function resetIfEmpty(queue: LpcPort): void {
  if (queue.waitEvent !== null && isListEmpty(queue.receiveHead)) KeResetEvent(queue.waitEvent);
}
