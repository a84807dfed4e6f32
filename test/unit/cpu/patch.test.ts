import { describe, expect, it } from "vitest";
import { patchProcessor } from "../../../src/cpu/patch.ts";
import { originalProcessorBytes } from "../../support/processor.ts";

describe("the patch", () => {
  it("produces the same module from the same bytes", () => {
    const original = originalProcessorBytes();
    expect(Buffer.compare(patchProcessor(original), patchProcessor(original))).toBe(0);
  });

  it("leaves its input untouched", () => {
    const original = originalProcessorBytes();
    const copy = original.slice();
    patchProcessor(original);
    expect(Buffer.compare(original, copy)).toBe(0);
  });

  it("refuses a build in which a pattern is missing", () => {
    const altered = originalProcessorBytes().slice();
    const limit = Buffer.from(altered).indexOf(Buffer.from([0x41, 0xa1, 0x8d, 0x06]));
    altered[limit + 1] = 0xa2;
    expect(() => patchProcessor(altered)).toThrow("a pattern occurs exactly once in v86.wasm");
  });

  it("refuses its own output", () => {
    expect(() => patchProcessor(patchProcessor(originalProcessorBytes()))).toThrow();
  });
});
