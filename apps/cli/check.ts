/** `--check`: the kernel is watched while it runs, and the first rule that it breaks ends the run. */
import { watchKernel } from "../../src/check/watch.ts";
import type { Kernel } from "../../src/kernel.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { usedParts } from "./parts.ts";

/** Watches a kernel. Throws a {@link CliFailure} out of the machine's run when it breaks a rule. */
export function failOnViolation(k: Kernel): void {
  usedParts.add("check");
  watchKernel(k, ({ family, sentence }) => {
    throw new CliFailure(
      ExitStatus.OwnFailure,
      `--check: the kernel broke a rule of its own (${family}): ${sentence}`,
      [
        `This happened ${(k.ke.prcb.clock / 1e9).toFixed(6)} s into the run, in virtual time. --trace FILE shows what came before.`,
        "Without --errata this is a defect of Rundown, not of the program that it ran: please report it.",
      ],
    );
  });
}
