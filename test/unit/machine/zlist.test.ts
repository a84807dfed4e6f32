import { test } from "vitest";
import { callableServices } from "../../support/syscallprogram.ts";
import { fuzzSystemCalls } from "../../support/syscallfuzz.ts";
import { allServices } from "../../../src/machine/services.ts";
test("x", () => {
  const words = new Map(allServices(() => { throw new Error(); }).map((s) => [s.name, s.arguments]));
  console.log("mismatch", callableServices().filter((s) => words.get(s.name) !== s.kinds.length).map((s) => s.name + " " + s.kinds.length + " " + words.get(s.name)).join("; "));
  const f = fuzzSystemCalls({ firstSeed: Number(process.env["FROM"] ?? 10000), calls: Number(process.env["CALLS"] ?? 60000) });
  console.log(f.calls, f.programs, JSON.stringify([...f.outcomes]), f.succeeded.size, f.called.size, "never", [...f.called].filter((n) => !f.succeeded.has(n)).join(" "));
}, 600000);
