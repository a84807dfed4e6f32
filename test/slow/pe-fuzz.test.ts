/**
 * Spoilt images by the ten thousand: every header field and every word of the tables zeroed, cut, made huge, alone and
 * in pairs. There must be an answer, soon, and without much memory.
 */
import { describe, expect, it } from "vitest";
import { buildNtdll, REQUIRED_SERVICES } from "../../src/guest/builtin/ntdll.ts";
import { examine, FIELD_NAMES, INTERESTING, withFields } from "../unit/guest/pefuzz.ts";
import { BSS_RVA, DATA_RVA, dataOffset, FIELDS, putWords, sampleImage } from "../unit/guest/peimages.ts";

const LONGEST_MS = 1000;
const MOST_BYTES = 256 << 20;

/** Examines files and keeps count, the longest time of the processor, which other work does not stretch, and the growth of the process. */
class Examiner {
  files = 0;
  images = 0;
  longest = 0;
  readonly #before = process.memoryUsage.rss();

  examine(bytes: Uint8Array): void {
    const start = process.cpuUsage();
    if (examine(bytes)) this.images++;
    const { user, system } = process.cpuUsage(start);
    this.longest = Math.max(this.longest, (user + system) / 1000);
    this.files++;
  }

  /** The growth of all cases together bounds that of each. */
  finish(): void {
    expect(this.longest).toBeLessThan(LONGEST_MS);
    expect(process.memoryUsage.rss() - this.#before).toBeLessThan(MOST_BYTES);
    console.log(
      `${String(this.files)} files, ${String(this.images)} of them images, ${this.longest.toFixed(1)} ms at most`,
    );
  }
}

/** A repeatable source of numbers (xorshift). */
function random(seed: number): (below: number) => number {
  const state = { value: seed };
  return (below) => {
    state.value ^= state.value << 13;
    state.value ^= state.value >>> 17;
    state.value ^= state.value << 5;
    return (state.value >>> 0) % below;
  };
}

describe("the PE parser", () => {
  it("answers to every pair of header fields at every interesting number", () => {
    const examiner = new Examiner();
    const original = sampleImage();
    for (const [index, first] of FIELD_NAMES.entries()) {
      for (const second of FIELD_NAMES.slice(index)) {
        for (const a of INTERESTING) {
          for (const b of INTERESTING)
            examiner.examine(
              withFields(original, [
                [first, a],
                [second, b],
              ]),
            );
        }
      }
    }
    expect(examiner.files).toBeGreaterThan(20_000);
    expect(examiner.images).toBeGreaterThan(1000);
    examiner.finish();
  }, 600_000);

  it("answers to a file that ends at any byte, and at any header field", () => {
    const examiner = new Examiner();
    for (const original of [sampleImage(), buildNtdll(REQUIRED_SERVICES)]) {
      for (let length = 0; length < original.length; length++) examiner.examine(original.subarray(0, length));
    }
    for (const [offset] of Object.values(FIELDS)) examiner.examine(sampleImage().subarray(0, offset + 1));
    examiner.finish();
  }, 600_000);

  it("answers to every word of the tables at every interesting number", () => {
    const examiner = new Examiner();
    for (const original of [sampleImage(), buildNtdll(REQUIRED_SERVICES)]) {
      for (let offset = 0x200; offset + 4 <= original.length; offset += 4) {
        for (const value of [...INTERESTING, DATA_RVA, DATA_RVA + 0x3fc, BSS_RVA]) {
          const bytes = original.slice();
          putWords(bytes, offset, [value]);
          examiner.examine(bytes);
        }
      }
    }
    examiner.finish();
  }, 600_000);

  it("answers to random damage", () => {
    const examiner = new Examiner();
    const next = random(0x2545f491);
    const originals = [sampleImage(), buildNtdll(REQUIRED_SERVICES)];
    for (let i = 0; i < 20_000; i++) {
      const bytes = (originals[next(2)] ?? sampleImage()).slice();
      for (let k = 1 + next(16); k > 0; k--) bytes[next(4) === 0 ? next(bytes.length) : next(0x400)] = next(256);
      examiner.examine(bytes.subarray(0, next(8) === 0 ? next(bytes.length) : bytes.length));
    }
    examiner.finish();
  }, 600_000);

  it("is not slowed down by a large file whose tables all share each other", () => {
    const examiner = new Examiner();
    const bytes = new Uint8Array(64 << 20);
    const size = bytes.length - 0x600;
    bytes.set(
      sampleImage({
        dataVirtualSize: size,
        dataRawSize: size,
        bssVa: 0x6000000,
        sizeOfImage: 0x6002000,
        importRva: DATA_RVA + 0x1000,
        exportRva: DATA_RVA + 0x10000,
        relocationRva: DATA_RVA + 0x3300000,
        relocationSize: 0xc00000,
      }),
    );
    for (let i = 0; i < 1000; i++) {
      putWords(bytes, dataOffset(0x1000 + 20 * i), [DATA_RVA + 0x8000, 0, 0, DATA_RVA + 0x80, DATA_RVA + 0x8000]);
    }
    // 16,000 distinct names of 3,000 bytes, each named four times: more text than is read in one go.
    const far = 0x100000;
    bytes.fill(0x41, dataOffset(far), dataOffset(0x3000000));
    for (let i = 0; i < 16_000; i++) {
      const at = dataOffset(far + 3000 * i);
      bytes.set([1 + (i % 250), 1 + Math.floor(i / 250)], at);
      bytes[at + 2999] = 0;
    }
    const names = Array.from({ length: 0x10000 }, (_, i) => DATA_RVA + far + 3000 * (i % 16_000));
    putWords(bytes, dataOffset(0x8000), names.slice(0, 0x1000));
    const [functions, nameTable, ordinals] = [DATA_RVA, DATA_RVA + 0x3200000, DATA_RVA + 0x3100000];
    putWords(bytes, dataOffset(0x10000), [0, 0, 0, far, 1, 0x10000, 0x10000, functions, nameTable, ordinals]);
    putWords(bytes, dataOffset(0x3200000), names);
    // One block with as many relocations as fit.
    bytes.fill(0x30, dataOffset(0x3300000), dataOffset(0x3f00000));
    putWords(bytes, dataOffset(0x3300000), [0x1000, 0xc00000]);
    examiner.examine(bytes);
    expect(examiner.images).toBe(1);
    examiner.finish();
  }, 60_000);
});
