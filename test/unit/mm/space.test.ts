import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { PAGE_NOACCESS } from "../../../src/abi/mm.ts";
import { AddressSpace } from "../../../src/mm/space.ts";
import { chargedPages, CHARGED, pageValue, RESERVED, setRange, Vad } from "../../../src/mm/vad.ts";

const GRANULES = 64;
const PAGES = GRANULES * 16;
const HIGHEST = GRANULES * 0x10000 - 1;

function region(startPage: number, endPage: number): Vad {
  return new Vad({ startPage, endPage, protection: PAGE_NOACCESS });
}

/** The address that a search finds which looks at every page. */
function naiveRoom(taken: readonly boolean[], pages: number, topDown: boolean): number {
  const found: number[] = [];
  for (let granule = 1; granule < GRANULES; granule++) {
    const granules = Math.ceil(pages / 16);
    const covered = taken.slice(granule * 16, (granule + granules) * 16);
    if (granule + granules <= GRANULES && !covered.includes(true)) found.push(granule * 0x10000);
  }
  return (topDown ? found.at(-1) : found[0]) ?? 0;
}

describe("the search for room", () => {
  const step = fc.record({ start: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 60 }), remove: fc.boolean() });
  const search = fc.record({ pages: fc.integer({ min: 1, max: 400 }), topDown: fc.boolean() });

  test("finds what a search page by page finds, whatever was inserted and removed", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(search, { minLength: 1, maxLength: 5 }),
        (steps, asks) => {
          const space = new AddressSpace(0);
          const taken = new Array<boolean>(PAGES).fill(false);
          for (const { start, pages, remove } of steps) {
            const end = Math.min(start + pages, PAGES);
            const there = space.find(start * 4096);
            if (remove && there !== null) {
              space.remove(there);
              taken.fill(false, there.startPage, there.endPage);
            } else if (space.isFree(start, end)) {
              space.insert(region(start, end));
              taken.fill(true, start, end);
            }
          }
          expect(taken.map((_, page) => space.find(page * 4096) !== null)).toEqual(taken);
          for (const { pages, topDown } of asks) {
            const found = space.findRoom(pages * 4096, { highest: HIGHEST, topDown });
            expect(found).toBe(naiveRoom(taken, pages, topDown));
          }
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  test("goes over full and empty words of the bitmap", () => {
    const space = new AddressSpace(0);
    space.insert(region(16, 16 * 200));
    const options = { highest: 0x7ffdffff, topDown: false };
    expect(space.findRoom(100 * 0x10000, options)).toBe(200 * 0x10000);
    space.insert(region(16 * 250, 16 * 0x7000));
    expect(space.findRoom(50 * 0x10000, options)).toBe(200 * 0x10000);
    expect(space.findRoom(51 * 0x10000, options)).toBe(0x70000000);
    expect(space.findRoom(0x7ffe0000 - 0x70000000, options)).toBe(0x70000000);
    expect(space.findRoom(0x7ffe0000 - 0x70000000 + 1, options)).toBe(0);
  });

  test("finds the highest free pages for environment blocks, and those of one that has gone", () => {
    const space = new AddressSpace(0);
    const blocks = Array.from({ length: 40 }, () => {
      const start = space.findTopPages(2);
      const block = region(start, start + 2);
      space.insert(block);
      return block;
    });
    expect(blocks.map((block) => block.startPage)).toEqual(blocks.map((_, index) => 0x7ffde - 2 * index));
    const gone = blocks[7];
    if (gone === undefined) throw new Error("there are 40 blocks");
    space.remove(gone);
    expect(space.findTopPages(2)).toBe(gone.startPage);
    expect(space.findTopPages(3)).toBe(0x7ffde - 2 * 39 - 3);
  });
});

describe("the runs of a region", () => {
  const change = fc.record({ from: fc.nat(49), pages: fc.integer({ min: 1, max: 50 }), value: fc.nat(3) });

  test("are an array of pages, with equal neighbours melted together", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const vad = region(100, 150);
        const pages = new Array<number>(50).fill(RESERVED);
        for (const { from, pages: count, value } of changes) {
          const to = Math.min(from + count, 50);
          const charged = value === RESERVED ? value : value | CHARGED;
          setRange(vad, from, to, charged);
          pages.fill(charged, from, to);
        }
        expect(pages.map((_, page) => pageValue(vad, page))).toEqual(pages);
        const boundaries = pages.filter((value, page) => page + 1 === 50 || pages[page + 1] !== value).length;
        expect(vad.ends.length).toBe(boundaries);
        expect(chargedPages(vad, 10, 40)).toBe(pages.slice(10, 40).filter((value) => value !== RESERVED).length);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  test("may be very many without hurting the host", () => {
    const count = 300_000;
    const ends = Array.from({ length: count }, (_, page) => page + 1);
    const values = ends.map((end) => (end & 1) + 1);
    const vad = new Vad({ startPage: 16, endPage: 16 + count, protection: PAGE_NOACCESS, runs: { ends, values } });
    setRange(vad, 1, count - 1, 7);
    expect(vad.ends).toEqual([1, count - 1, count]);
  });
});
