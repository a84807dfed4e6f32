import { test } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { runSample } from "../../support/machine.ts";
import { createWin32Environment } from "../../../src/guest/environment.ts";
const dir = homedir() + "/.cache/rundown/windows-8.0~repack-4/";
const files = new Map(readdirSync(dir).filter(f => f.endsWith(".dll")).map(f => [f.toLowerCase(), new Uint8Array(readFileSync(dir + f))]));
const nls = new Map(readdirSync(dir + "nls").map(f => [f.toLowerCase(), new Uint8Array(readFileSync(dir + "nls/" + f))]));
const env = createWin32Environment(files, nls);
if (!env.ok) throw new Error(env.reason);
const only = process.env.ONLY;
for (const f of readdirSync("samples").filter(f => f.endsWith(".exe")).filter(f=>only ? f === only : !/cpu-mix/.test(f))) test(f, () => {
  const t0 = performance.now();
  let r; const calls: string[] = [];
  try { r = runSample("samples/" + f, {environment: env.value, memoryBytes: 128<<20, limits:{instructions: 60_000_000, threads: 500}, ...(process.env.TR ? {trace: (e) => { if (e.kind === "system-call") calls.push(e.tid + " " + e.name + " " + e.status.toString(16)); if (e.kind==="exception") calls.push(JSON.stringify(e)) }} : {})}); } catch (e) { console.log(f, "HOST ERROR", (e as Error).stack); console.log(calls.slice(-60).join("\n")); return; }
  if (process.env.TR) console.log(calls.slice(-(+process.env.TR)).join("\n"));
  console.log(f, JSON.stringify(r.end), JSON.stringify(r.stdout.slice(0, 600)), "ni", r.machine.notImplemented(), "leaks", r.machine.ledger().length, (performance.now()-t0).toFixed(0)+"ms", JSON.stringify(r.machine.statistics), r.events.filter(e => e.kind === "exception").map(e => JSON.stringify(e)).join());
}, 60000);
