import { test } from "vitest";
import { syscallProgram } from "../../support/syscallprogram.ts";
import { sharedCpu } from "../../support/hostile.ts";
import { builtinEnvironment } from "../../support/machine.ts";
import { createMachine } from "../../../src/machine/machine.ts";
test("x", () => {
  const seed = Number(process.env["FROM"]);
  const h = new Map<string, number>();
  const m = createMachine({ processor: sharedCpu(), environment: builtinEnvironment(), limits: { instructions: 2_000_000, processes: 4, threads: 64, handles: 2000 }, processors: [1,2,4,8][seed&3]!, trace: (e) => { const key = e.kind + " " + ((e as any).act ?? "") + ((e as any).name ?? "") + " " + ((e as any).tid ?? "")+ " " + ((e as any).object ?? ""); h.set(key, (h.get(key) ?? 0)+1); }});
  m.start({ name: "hostile.exe", bytes: syscallProgram(seed, 1500), environment: new Map([["SystemRoot", "C:\\windows"]]) });
  const t0 = performance.now(); let last = t0;
  for (let i = 0; i < 60; i++) {
    const end = m.run({ turns: 2000, stop: () => false });
    const now = performance.now();
    if (now - last > 500 || end || i < 3 || i === 59) console.log(i, (now-t0).toFixed(0), JSON.stringify(end), JSON.stringify(m.statistics), m.kernel.ke.quietSince, JSON.stringify(m.waitGraph().threads).slice(0,600));
    last = now;
    if (end || now - t0 > 20000) break;
  }
  console.log([...h].sort((a,b)=>b[1]-a[1]).slice(0,12).join("\n"));
}, 600000);
