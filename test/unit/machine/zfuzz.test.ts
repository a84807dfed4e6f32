import { test } from "vitest";
import { syscallProgram } from "../../support/syscallprogram.ts";
import { auditAfterwards, runHostile } from "../../support/hostile.ts";
const from = Number(process.env["FROM"] ?? 0), n = Number(process.env["N"] ?? 10), calls = Number(process.env["CALLS"] ?? 1500);
test("x", () => {
  let total = 0; const t0 = performance.now();
  const names = new Map<string, number[]>();
  const ends = new Map<string, number>();
  const hist = new Map<string, Map<string, number>>();
  const bad = new Map<string, string>();
  for (let seed = from; seed < from + n; seed++) { const s0 = performance.now();
    const ex: string[] = []; try {
      const run = runHostile(syscallProgram(seed, calls), { limits: { instructions: 2_000_000, processes: 4, threads: 64, handles: 2000 }, processors: [1,2,4,8][seed&3]!,
        record: (e) => { if (process.env["V"] && e.kind === "exception") ex.push(`${e.pid}/${e.tid} ${(e.code>>>0).toString(16)}@${e.address.toString(16)} ${e.chance}`); if (process.env["V"] && e.kind === "thread-marked") ex.push(JSON.stringify(e)); }, trace: (e) => { if (process.env["V"] && e.kind==="system-call") ex.push(e.pid+"/"+e.tid+" "+e.name+" "+(e.status>>>0).toString(16)); if (e.kind === "system-call") { const s = names.get(e.name) ?? [0,0]; s[0]!++; if (e.status >>> 0 < 0x80000000) s[1]!++; names.set(e.name, s); const h = hist.get(e.name) ?? new Map(); const st=(e.status>>>0).toString(16); h.set(st, (h.get(st)??0)+1); hist.set(e.name,h); } } });
      total += run.machine.statistics.systemCalls;
      const o = run.end?.outcome ?? run.refusal; ends.set(o, (ends.get(o) ?? 0) + 1);
      const a = auditAfterwards(run);
      for (const x of a) { const key = x.replace(/\d+/g, "N"); if (!bad.has(key)) bad.set(key, `seed ${seed}: ${x}`); }
      if (process.env["V"]) console.log(seed, JSON.stringify(run.end), run.machine.statistics.systemCalls, run.machine.statistics.instructions, "\n   "+ex.filter((x,i) => / 2$/.test(x) || / 2$/.test(ex[i+1]??"") || / 2$/.test(ex[i+2]??"")|| / 2$/.test(ex[i+3]??"")).slice(-8).join("\n   "));
    if (performance.now() - s0 > 1500) console.log("slow", seed, (performance.now()-s0).toFixed(0), JSON.stringify(run.end), JSON.stringify(run.machine.statistics)); } catch (e) { const s = (e as Error).stack!.split("\n").slice(0, 7).join("\n"); const key = s.replace(/\d+/g,"N"); if (!bad.has(key)) bad.set(key, `seed ${seed}: ${s}`); }
  }
  console.log(total, "calls", ((performance.now()-t0)/1000).toFixed(1), "s", JSON.stringify([...ends]));
  console.log([...names].sort().map(([n, [a, b]]) => `${n} ${a}/${b}`).join("; "));
  if (process.env["H"]) console.log([...hist].sort().map(([n, h]) => n + ": " + [...h].sort((a,b)=>b[1]-a[1]).slice(0,9).map(([s,c]) => s+"*"+c).join(" ")).join("\n"));
  console.log([...bad.values()].join("\n"));
}, 600000);
