import { describe, expect, it } from "vitest";
import { traceHeader, traceLine, traceSink } from "../../../src/report/jsonl.ts";
import { exitWhileWaiting } from "./events.ts";

describe("a trace of JSON lines", () => {
  it("numbers its events from 0 in the order in which they came", () => {
    const lines: string[] = [];
    const sink = traceSink((line) => lines.push(line));
    for (const event of exitWhileWaiting()) sink(event);
    const numbers = lines.map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(numbers).toEqual(exitWhileWaiting().map((_, index) => index));
  });

  it("keeps every field of an event", () => {
    const event = { kind: "step", step: "E13", pid: 8, tid: 12 } as const;
    expect(JSON.parse(traceLine(4, event))).toEqual({ sequence: 4, ...event });
  });

  it("is one line an event, whatever the event says", () => {
    const line = traceLine(0, { kind: "thread-named", pid: 8, tid: 12, name: "a\nb\u2028c" });
    expect(line.trimEnd().split("\n")).toHaveLength(1);
  });

  it("begins with its format", () => {
    expect(JSON.parse(traceHeader("a.exe"))).toEqual({ format: "rundown.trace/1", program: "a.exe" });
  });
});
