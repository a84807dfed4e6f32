import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { Interruption } from "../../../apps/cli/interruption.ts";

function listener(): { source: EventEmitter; quits: number[]; interruption: Interruption } {
  const source = new EventEmitter();
  const quits: number[] = [];
  return { source, quits, interruption: new Interruption(source, (status) => quits.push(status)) };
}

describe("Ctrl-C", () => {
  it("asks for an end the first time", () => {
    const { source, quits, interruption } = listener();
    interruption.listen();
    source.emit("SIGINT", "SIGINT");
    expect([interruption.status, quits]).toEqual([130, []]);
  });

  it("ends the process at once the second time", () => {
    const { source, quits, interruption } = listener();
    interruption.listen();
    source.emit("SIGINT", "SIGINT");
    source.emit("SIGINT", "SIGINT");
    expect(quits).toEqual([130]);
  });

  it("is told from a request to terminate", () => {
    const { source, interruption } = listener();
    interruption.listen();
    source.emit("SIGTERM", "SIGTERM");
    expect(interruption.status).toBe(143);
  });

  it("keeps its usual effect while input is read, and is heard again afterwards", () => {
    const { source, interruption } = listener();
    interruption.listen();
    const during = interruption.whileDeaf(() => source.listenerCount("SIGINT"));
    expect([during, source.listenerCount("SIGINT")]).toEqual([0, 1]);
  });

  it("is not listened to after input was read if it was not before", () => {
    const { source, interruption } = listener();
    interruption.whileDeaf(() => undefined);
    expect(source.listenerCount("SIGINT")).toBe(0);
  });

  it("leaves no handler behind however often it was listened for", () => {
    const { source, interruption } = listener();
    interruption.listen();
    interruption.listen();
    interruption.ignore();
    expect(source.eventNames()).toEqual([]);
  });
});
