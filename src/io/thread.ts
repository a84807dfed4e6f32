/**
 * What the I/O manager keeps in every thread: its unfinished requests. A thread exits only once the list is empty, or
 * its requests have been disowned.
 */
import { ObThread } from "../ob/thread.ts";
import { type ListEntry, listHead } from "../rtl/list.ts";
import type { Irp } from "./irp.ts";

export abstract class IoThread extends ObThread {
  /** Requests of this thread that are not finished. Self, in its own context: completion runs there too. */
  readonly irpList: ListEntry<Irp> = listHead();
}
