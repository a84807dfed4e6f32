/** Quota blocks (T-QUO1). */
import { describe, expect, it } from "vitest";
import {
  chargeQuota,
  dereferenceQuotaBlock,
  QuotaBlock,
  type QuotaLimits,
  referenceQuotaBlock,
  returnQuota,
} from "../../../src/ex/quota.ts";

const limits: QuotaLimits = { handles: 10, threads: 4, processes: 2, poolBytes: 0x1000, committedPages: 100 };

describe("quota", () => {
  it("is charged and returned exactly: usage is back where it began", () => {
    const block = new QuotaBlock(limits, null);
    expect(chargeQuota(block, "poolBytes", 0x200)).toBe(true);
    expect(chargeQuota(block, "poolBytes", 0x500)).toBe(true);
    expect([block.usage.poolBytes, block.usage.handles]).toEqual([0x700, 0]);
    returnQuota(block, "poolBytes", 0x200);
    returnQuota(block, "poolBytes", 0x500);
    expect([block.usage.poolBytes, block.peak.poolBytes]).toEqual([0, 0x700]);
  });

  it("ends at the limit, and a refused charge changes nothing", () => {
    const block = new QuotaBlock(limits, null);
    expect([chargeQuota(block, "threads", 4), chargeQuota(block, "threads", 1)]).toEqual([true, false]);
    expect(block.usage.threads).toBe(4);
  });

  it("is charged to the machine as well, and refused if the machine has no more", () => {
    const machine = new QuotaBlock({ ...limits, handles: 3 }, null);
    const block = new QuotaBlock(limits, machine);
    expect([chargeQuota(block, "handles", 2), chargeQuota(block, "handles", 2)]).toEqual([true, false]);
    expect([block.usage.handles, machine.usage.handles]).toEqual([2, 2]);
    returnQuota(block, "handles", 2);
    expect([block.usage.handles, machine.usage.handles]).toEqual([0, 0]);
  });

  it("is not returned beyond what was charged", () => {
    const block = new QuotaBlock(limits, null);
    expect(() => returnQuota(block, "handles", 1)).toThrow("no more quota is returned than was charged");
  });

  it("block outlives each process but the last, which must have returned everything", () => {
    const block = new QuotaBlock(limits, null);
    expect(referenceQuotaBlock(block)).toBe(block);
    chargeQuota(block, "processes", 1);
    dereferenceQuotaBlock(block);
    expect(() => dereferenceQuotaBlock(block)).toThrow("the last process has returned its processes");
  });
});
