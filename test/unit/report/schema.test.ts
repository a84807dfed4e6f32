import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import type { Report } from "../../../src/report/report.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import { build, died, exitWhileWaiting, held, marked, PID, processCreated, threadCreated } from "./events.ts";

type Schema = { readonly [key: string]: unknown };
const schema = JSON.parse(
  readFileSync(new URL("../../../schema/report-1.schema.json", import.meta.url), "utf8"),
) as Schema;
const validate = new Ajv2020({ allErrors: true, strict: true, strictTypes: false }).compile(schema);

/** What the schema says against a report as it is written to a file. */
function objections(report: Report): unknown {
  return validate(JSON.parse(JSON.stringify(report))) ? null : validate.errors;
}

const unfinished: KernelEvent[] = [
  ...processCreated(PID, "a.exe"),
  ...threadCreated(12),
  ...threadCreated(16),
  marked(16, { route: "job", killer: null, via: "job" }),
  held(16, { kind: "critical-section", id: 0x405020, note: "" }),
  ...threadCreated(20),
  ...died(20, 0xffffffff),
  { kind: "process-job", pid: PID, job: 3 },
  { kind: "bugcheck", time: 1, code: 0xdeadbeef, parameters: [1, 2, 3, 0xffffffff] },
];

describe("the schema", () => {
  it("accepts the report of a run that ended well", () => {
    expect(objections(build(exitWhileWaiting()))).toBeNull();
  });

  it("accepts the report of a run that was cut off with everything in it", () => {
    const leaks = [{ kind: "handle", id: 0x44, type: "Thread", pinnedBy: ["process 8"] }];
    const edge = { kind: "event", id: 0x2c, name: null, owner: null, note: "" };
    const waitGraph = { threads: [{ pid: PID, tid: 12, name: null, waitsFor: [edge] }], cycle: [] };
    const end = { outcome: "limit", exitStatus: 0, detail: "stopped" } as const;
    expect(
      objections(build(unfinished, { end, leaks, waitGraph, notImplemented: ["NtFoo"], replay: "r1" })),
    ).toBeNull();
  });

  it("rejects a report with a property that it does not know", () => {
    expect(objections({ ...build(exitWhileWaiting()), more: 1 } as Report)).not.toBeNull();
  });

  it("rejects a report that lacks a property", () => {
    const { leaks, ...rest } = build(exitWhileWaiting());
    expect(leaks).toEqual([]);
    expect(objections(rest as Report)).not.toBeNull();
  });

  it("describes every property and every kind of object", () => {
    const undescribed: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      const { properties, $defs } = node as { properties?: Schema; $defs?: Schema };
      for (const [name, inner] of Object.entries({ ...properties, ...$defs })) {
        if (typeof (inner as Schema)["description"] !== "string") undescribed.push(`${path}/${name}`);
        visit(inner, `${path}/${name}`);
      }
    };
    visit(schema, "");
    expect(undescribed).toEqual([]);
  });

  it("allows no unknown property in any object", () => {
    const open: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      if ("properties" in node && (node as Schema)["additionalProperties"] !== false) open.push(path);
      for (const [name, inner] of Object.entries(node)) visit(inner, `${path}/${name}`);
    };
    visit(schema, "");
    expect(open).toEqual([]);
  });
});
