import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadProcessor } from "../../../apps/cli/processor.ts";
import { createCpu } from "../../../src/cpu/cpu.ts";
import type { WasmModule } from "../../../src/cpu/webassembly.ts";
import { loadProgram } from "../../support/processor.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "processor-"));
});
afterEach(() => {
  chmodSync(directory, 0o700);
  rmSync(directory, { recursive: true });
});

const load = (cacheDirectory: string): WasmModule => loadProcessor({ optimise: "everything", cacheDirectory });

function works(module: WasmModule): boolean {
  const cpu = createCpu(module, { ramBytes: 4 << 20, mode: "interpreter" });
  loadProgram(cpu, [0xcd, 0x2e]);
  return cpu.run(10).vector === 0x2e;
}

describe("the processor's module", () => {
  it("is patched once and taken from the cache then", () => {
    expect(works(load(join(directory, "cache")))).toBe(true);
    const [name] = readdirSync(join(directory, "cache"));
    expect(readdirSync(join(directory, "cache"))).toHaveLength(1);
    const path = join(directory, "cache", name ?? "");
    const before = readFileSync(path);
    expect(works(load(join(directory, "cache")))).toBe(true);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("is patched anew when the cached file is damaged", () => {
    load(directory);
    const path = join(directory, readdirSync(directory)[0] ?? "");
    const good = readFileSync(path);
    for (const bad of [
      good.subarray(0, 100_000),
      Buffer.alloc(10),
      Buffer.concat([Buffer.from([1]), good.subarray(1)]),
    ]) {
      writeFileSync(path, bad);
      expect(works(load(directory))).toBe(true);
      expect(readFileSync(path).equals(good)).toBe(true);
    }
  });

  it("is patched in memory when there can be no cache", () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    expect(works(load(join(file, "cache")))).toBe(true);
  });
});
