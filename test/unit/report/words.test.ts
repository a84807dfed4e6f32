import { describe, expect, it } from "vitest";
import { duration100ns, durationOf, longStatus, plain, quantity, shortStatus } from "../../../src/report/words.ts";

describe("words", () => {
  it.each([
    [0, "0"],
    [41, "41 (0x29)"],
    [0xc0000005, "0xc0000005 (STATUS_ACCESS_VIOLATION)"],
    [0xffffffff, "0xffffffff (-1)"],
    [0x40010004, "0x40010004 (DBG_TERMINATE_PROCESS)"],
  ])("a status %i in a sentence is %s", (status, words) => {
    expect(longStatus(status)).toBe(words);
  });

  it.each([
    [7, "7"],
    [0xc0000022, "0xc0000022"],
  ])("a status %i in a table is %s", (status, words) => {
    expect(shortStatus(status)).toBe(words);
  });

  it.each([
    [0, "0 s"],
    [123, "12.3 µs"],
    [120_000, "12 ms"],
    [3_500_000, "0.35 s"],
    [6_000_000_000, "600 s"],
  ])("a virtual time of %i units is %s", (time, words) => {
    expect(duration100ns(time)).toBe(words);
  });

  it.each([
    [42, "42 ms"],
    [99.96, "100 ms"],
    [2500, "2.5 s"],
  ])("%d milliseconds are %s", (milliseconds, words) => {
    expect(durationOf(milliseconds)).toBe(words);
  });

  it.each([
    [812, "812"],
    [1_091_234, "1.09 M"],
    [45_312, "45.3 k"],
    [600_000_000, "600 M"],
    [3_210_000_000, "3.21 G"],
  ])("%i instructions are %s", (count, words) => {
    expect(quantity(count)).toBe(words);
  });

  it("text of the guest is cut to a bearable length", () => {
    expect(plain("x".repeat(1000))).toHaveLength(200);
  });
});
