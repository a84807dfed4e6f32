/** The stripper of PE images: what it removes, what it must leave alone, and that no input can make it fail. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stripImage } from "../../../apps/cli/setup-strip.ts";
import { SECTION_TABLE, makeImage } from "./setup-fixture.ts";

const PAGE = 0x1000;

function word(image: Uint8Array, offset: number): number {
  return new DataView(image.buffer, image.byteOffset, image.byteLength).getUint32(offset, true);
}

function sectionCount(image: Uint8Array): number {
  return word(image, 0x84) >>> 16;
}

describe("stripImage", () => {
  const image = makeImage({ sections: [".text", ".data", ".debug_info", ".debug_str"] });
  const stripped = stripImage(image);

  it("cuts off trailing debug sections and the symbols behind them", () => {
    expect(stripped.length).toBe(3 * PAGE);
    expect(sectionCount(stripped)).toBe(2);
    expect(word(stripped, 0x8c)).toBe(0);
    expect(word(stripped, 0x90)).toBe(0);
  });

  it("makes the image end in memory where its last section ends", () => {
    expect(word(stripped, 0xd0)).toBe(3 * PAGE);
  });

  it("leaves every byte of the kept sections where it was", () => {
    expect(stripped.subarray(PAGE)).toEqual(image.subarray(PAGE, 3 * PAGE));
  });

  it("clears the headers of the removed sections", () => {
    const removed = stripped.subarray(SECTION_TABLE + 80, SECTION_TABLE + 160);
    expect(removed.every((byte) => byte === 0)).toBe(true);
  });

  it("makes a checksum that sums to the file's length, as the loader tests it", () => {
    let sum = 0;
    const stored = word(stripped, 0xd8);
    for (let at = 0; at < stripped.length; at += 2) {
      sum += (stripped[at] ?? 0) | ((stripped[at + 1] ?? 0) << 8);
    }
    sum -= (stored & 0xffff) + (stored >>> 16);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(stored).not.toBe(0);
    expect(stored).toBe(sum + stripped.length);
  });

  it("changes nothing the second time", () => {
    expect(stripImage(stripped)).toBe(stripped);
  });

  it("does not change its input", () => {
    expect(image).toEqual(makeImage({ sections: [".text", ".data", ".debug_info", ".debug_str"] }));
  });

  it("keeps a debug section that others follow, for a hole cannot be loaded", () => {
    const middle = stripImage(makeImage({ sections: [".text", ".debug_info", ".data"] }));
    expect(sectionCount(middle)).toBe(3);
    expect(middle.length).toBe(4 * PAGE);
  });

  it("shortens the long name of a section that stays", () => {
    const output = stripImage(makeImage({ sections: [".text", ".longsection", ".debug_info"] }));
    const name = String.fromCharCode(...output.subarray(SECTION_TABLE + 40, SECTION_TABLE + 48));
    expect(name).toBe(".longsec");
  });

  it("does not touch a signed image", () => {
    const signed = makeImage({ sections: [".text", ".debug_info"], signatureBytes: 8 });
    expect(stripImage(signed)).toBe(signed);
  });

  it("gives back what is no 32-bit image", () => {
    const text = new TextEncoder().encode("MZ is not enough".repeat(20));
    expect(stripImage(text)).toBe(text);
    expect(stripImage(new Uint8Array(0)).length).toBe(0);
  });

  it("keeps the whole section table of an image whose headers claim no room", () => {
    const odd = makeImage({ sections: [".bss", ".debug_info"] });
    const view = new DataView(odd.buffer);
    view.setUint32(0xd4, 0, true);
    view.setUint32(SECTION_TABLE + 16, 0, true);
    view.setUint32(SECTION_TABLE + 20, 0, true);
    expect(stripImage(odd).length).toBe(SECTION_TABLE + 2 * 40);
  });

  it("survives any change of its headers, and never grows the file", () => {
    const change = fc.record({ offset: fc.nat(0x220), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(6 * PAGE), (changes, cut) => {
        const damaged = image.slice(0, image.length - Math.min(cut, image.length));
        for (const { offset, value } of changes) if (offset < damaged.length) damaged[offset] = value;
        expect(stripImage(damaged).length).toBeLessThanOrEqual(damaged.length);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});
