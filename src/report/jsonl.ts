/**
 * The record as JSON lines: one event a line, in order, with a sequence number first. What `--trace` writes.
 *
 * Invariant: the same run gives the same bytes, because events hold no addresses of the host and keys keep the order in
 * which the kernel wrote them.
 */
import type { KernelEvent } from "../sim/record.ts";
import type { RecordSink } from "../sim/state.ts";

const TRACE_FORMAT = "rundown.trace/1";

/** The first line of a trace. */
export function traceHeader(program: string): string {
  return `${JSON.stringify({ format: TRACE_FORMAT, program })}\n`;
}

export function traceLine(sequence: number, event: KernelEvent): string {
  return `${JSON.stringify({ sequence, ...event })}\n`;
}

/** A sink that hands each line on as it comes; `write` decides how lines are gathered. */
export function traceSink(write: (line: string) => void): RecordSink {
  let sequence = 0;
  return (event) => write(traceLine(sequence++, event));
}
