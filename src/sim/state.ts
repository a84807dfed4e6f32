/**
 * What makes a run this run and no other: its errata, its injected failures, its sink for events, and the counter that
 * names objects. All of it is decided before the machine boots.
 */
import type { Schedule } from "./gap.ts";
import type { KernelEvent } from "./record.ts";

/** Receives every event in order. Null costs a test and a branch. */
export type RecordSink = (event: KernelEvent) => void;

/** A declared access to shared kernel state; what partial-order reduction computes independence from. */
export interface Access {
  /** Identity of the object: {@link ObjectBody.id} or a pid/tid-like number of the field's owner. */
  readonly object: number;
  readonly field: string;
  readonly kind: "read" | "write" | "acquire" | "release";
}

export interface SimState {
  /** Ids of the seed's defects that this machine reproduces (`D02`), for demonstration; empty by default. */
  readonly errata: ReadonlySet<string>;
  /** Where the events of life and death go: few, and enough for a report. */
  record: RecordSink | null;
  /** Where the fine-grained events go as well: waits, signals, APCs, steps, pool. Null in ordinary runs. */
  trace: RecordSink | null;
  /** True while an explorer decides every step: then preemption points suspend. */
  exploring: boolean;
  /** The access that the thread suspended at a preemption point is about to make. */
  pendingAccess: Access | null;
  /** Who goes first at named gaps; null but in scenarios. */
  schedule: Schedule | null;
  /** Last id given to an object. */
  lastObjectId: number;
}

export interface SimOptions {
  readonly errata?: Iterable<string>;
  readonly record?: RecordSink | undefined;
  readonly trace?: RecordSink | undefined;
  readonly exploring?: boolean;
}

export function createSimState(options: SimOptions): SimState {
  return {
    errata: new Set(options.errata ?? []),
    record: options.record ?? null,
    trace: options.trace ?? null,
    exploring: options.exploring ?? false,
    pendingAccess: null,
    schedule: null,
    lastObjectId: 0,
  };
}
