/** What the I/O manager keeps in every process: how much its threads have asked of devices. */
import { MmProcess } from "../mm/process.ts";
import { type IoCounters, newCounters } from "./counters.ts";

export abstract class IoProcess extends MmProcess {
  readonly ioCounters: IoCounters = newCounters();
}
