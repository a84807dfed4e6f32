import { openSync } from "node:fs";
import { devNull } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Commands, runCommandLine } from "../../../apps/cli/commandline.ts";
import { Output } from "../../../apps/cli/output.ts";
import { parsePlainRun, RUN_OPTIONS, type RunOptions } from "../../../apps/cli/runoptions.ts";

const nowhere = new Output(openSync(devNull, "w"));

/** What the full parser makes of the arguments after `run`; null if it refuses them. */
async function parseFully(argv: readonly string[]): Promise<RunOptions | null> {
  let seen: RunOptions | null = null;
  const commands: Commands = {
    run: (options) => {
      seen = options;
      return Promise.resolve(0);
    },
    setup: () => Promise.reject(new Error("setup was called")),
    doctor: () => Promise.reject(new Error("doctor was called")),
    demo: () => Promise.reject(new Error("demo was called")),
    scenarios: () => Promise.reject(new Error("scenarios was called")),
    defects: () => Promise.reject(new Error("defects was called")),
  };
  await runCommandLine(["run", ...argv], commands, { out: nowhere, err: nowhere });
  return seen;
}

const VALUES = ["1", "10s", "-", "D:", "./x:D:ro", "a=b", "auto", "jit", "leak", "D02", "64", "", "-x", "--", "x.json"];
const argument = fc.oneof(
  fc.constantFrom(...RUN_OPTIONS.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]))),
  fc.constantFrom(...VALUES),
  fc.constantFrom("app.exe", "--", "-h", "--help", "-qv", "--nonsense", "--json=", "--json=-", "--seed=7", "--quiet=1"),
  fc
    .tuple(fc.constantFrom(...RUN_OPTIONS.map(({ long }) => long)), fc.constantFrom(...VALUES))
    .map(([long, value]) => `${long}=${value}`),
);

describe("the plain parser of run", () => {
  it("never understands a command line otherwise than the full parser does", async () => {
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { maxLength: 7 }), async (argv) => {
        const options = parsePlainRun(argv);
        if (options === null) return;
        plain++;
        expect(options).toEqual(await parseFully(argv));
      }),
      { numRuns: 3000, seed: 1 },
    );
    expect(plain).toBeGreaterThan(100);
  });

  it.each([
    [["app.exe"]],
    [["--timeout", "10s", "app.exe", "--", "--port", "80"]],
    [["app.exe", "--json", "-", "a", "--env=A=b=c"]],
    [["-q", "--no-color", "--mount", "./data:D:", "app.exe"]],
  ])("understands %j", (argv) => {
    expect(parsePlainRun(argv)).not.toBeNull();
  });

  it.each([[["--help"]], [[]], [["app.exe", "--json"]], [["app.exe", "--cpus", "0"]], [["app.exe", "-x"]]])(
    "leaves %j to the full parser",
    (argv) => {
      expect(parsePlainRun(argv)).toBeNull();
    },
  );

  it("hands everything after -- to the program, further -- included", () => {
    expect(parsePlainRun(["app.exe", "--", "-v", "--", "--help"])?.arguments).toEqual(["-v", "--", "--help"]);
  });

  it("applies every option of the table to something", () => {
    const samples = new Map([
      ["FILE", "x"],
      ["DURATION", "7s"],
      ["N", "7"],
      ["BYTES", "7k"],
      ["MIB", "77"],
      ["HOST:GUEST[:ro]", "x:D:"],
      ["NAME=VALUE", "a=b"],
      ["DIR", "x"],
      ["IDS", "D02"],
      ["WHAT", "leak"],
      ["WHO", "ignore"],
    ]);
    const kinds = new Map([
      ["--environment", "builtin"],
      ["--processor", "jit"],
    ]);
    const before = JSON.stringify(parsePlainRun(["app.exe"]), showSets);
    const idle = RUN_OPTIONS.filter(({ long, value }) => {
      const text = kinds.get(long) ?? samples.get(value ?? "");
      const options = parsePlainRun(["app.exe", long, ...(text === undefined ? [] : [text])]);
      return options === null || JSON.stringify(options, showSets) === before;
    });
    expect(idle.map(({ long }) => long)).toEqual([]);
  });
});

function showSets(_key: string, value: unknown): unknown {
  return value instanceof Set ? [...value] : value;
}
