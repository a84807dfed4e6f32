/** `rundown run --check`. */
import { expect, test } from "vitest";
import { failOnViolation } from "../../../apps/cli/check.ts";
import { CliFailure } from "../../../apps/cli/failure.ts";
import { parsePlainRun } from "../../../apps/cli/runoptions.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import { trace } from "../../../src/sim/record.ts";
import { runSample } from "../../support/machine.ts";

test("the option is off unless it is given", () => {
  expect(parsePlainRun(["a.exe"])?.check).toBe(false);
  expect(parsePlainRun(["--check", "a.exe"])?.check).toBe(true);
});

test("a rule that is broken ends the run with a sentence and 125", () => {
  const machine = createMachine({ processor: null, environment: null, observe: failOnViolation });
  machine.startScript("broken.exe", () =>
    nt.call((k) => {
      trace(k, { kind: "lock", act: "release", tid: 12, name: "ProcessLock" });
    }),
  );
  let failure: unknown = null;
  try {
    machine.run({ turns: 1000, stop: () => false });
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(CliFailure);
  expect(failure).toMatchObject({
    status: 125,
    message: "--check: the kernel broke a rule of its own (locks): thread 12 releases ProcessLock and does not hold it",
  });
});

test("x86 programs run under the check to their ordinary ends", () => {
  const endOf = (name: string): unknown => runSample(`samples/native/${name}.exe`, { observe: failOnViolation }).end;
  expect(endOf("threads")).toMatchObject({ outcome: "exited" });
  expect(endOf("kill-suspended")).toMatchObject({ outcome: "exited" });
  expect(endOf("exit-while-waiting")).toMatchObject({ outcome: "exited", exitStatus: 41 });
});
