import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildNtdll, REQUIRED_SERVICES } from "../../../src/guest/builtin/ntdll.ts";
import { examine, FIELD_NAMES, INTERESTING, withFields } from "./pefuzz.ts";
import { sampleImage } from "./peimages.ts";

const SAMPLES = [sampleImage(), buildNtdll(REQUIRED_SERVICES)];
const SEED = 20_031;

const sample = fc.constantFrom(...SAMPLES);
const change = fc.tuple(fc.constantFrom(...FIELD_NAMES), fc.oneof(fc.constantFrom(...INTERESTING), fc.nat(0xffffffff)));

describe("the PE parser", () => {
  it("takes the samples before they are spoilt", () => {
    expect(SAMPLES.map(examine)).toEqual([true, true]);
  });

  it("answers whatever the header fields say", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        examine(withFields(sampleImage(), changes));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it("answers whatever the tables hold", () => {
    const write = fc.tuple(
      fc.nat(0x3ff),
      fc.oneof(fc.constantFrom(...INTERESTING), fc.nat(0xffffffff), fc.integer({ min: 0x2000, max: 0x2400 })),
    );
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 8 }), (writes) => {
        const bytes = sampleImage();
        const view = new DataView(bytes.buffer);
        for (const [offset, value] of writes)
          view.setUint32(Math.min(0x600 + offset, bytes.length - 4), value >>> 0, true);
        examine(bytes);
      }),
      { seed: SEED, numRuns: 600 },
    );
  });

  it("answers wherever the file ends and whichever bytes are wrong", () => {
    const flip = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(sample, fc.array(flip, { maxLength: 12 }), fc.nat(), (original, flips, end) => {
        const bytes = original.slice(0, end % (2 * original.length));
        for (const [offset, value] of flips) if (bytes.length > 0) bytes[offset % bytes.length] = value;
        examine(bytes);
      }),
      { seed: SEED, numRuns: 600 },
    );
  });

  it("answers to bytes that never were a program", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2048 }), fc.boolean(), (bytes, signed) => {
        if (signed && bytes.length > 2) bytes.set([0x4d, 0x5a]);
        examine(bytes);
      }),
      { seed: SEED, numRuns: 400 },
    );
  });
});
