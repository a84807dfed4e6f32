/**
 * Checks a kernel while it runs: every family of rules sees every event, and looks at the kernel's state after each step
 * that could have broken it. Without checks nothing of this exists, and nothing is asked for.
 */
import type { Kernel } from "../kernel.ts";
import type { KernelEvent } from "../sim/record.ts";
import { CountCheck } from "./counting.ts";
import { FlagCheck } from "./flags.ts";
import { IdCheck } from "./ids.ts";
import { JobCheck } from "./jobs.ts";
import { KillApcCheck } from "./killapcs.ts";
import { LastThreadCheck } from "./lastthread.ts";
import { LockCheck } from "./locks.ts";
import { PoolCheck } from "./pool.ts";
import { ReferenceCheck } from "./references.ts";
import { RemainsCheck } from "./remains.ts";
import type { Check, Require, RuleFamily, Violation } from "./rule.ts";
import { SignalCheck } from "./signals.ts";
import { TerminationPortCheck } from "./terminationports.ts";
import { UserModeCheck } from "./usermode.ts";

/**
 * Checks everything that happens from here on.
 * @param report told of each violation as it is found
 */
export function watchKernel(k: Kernel, report: (violation: Violation) => void): void {
  const checks = makeChecks(k, report);
  const { record, trace } = k.sim;
  const see = (event: KernelEvent): void => {
    for (const check of checks) check.see(event);
  };
  k.sim.record = (event) => {
    record?.(event);
    see(event);
  };
  k.sim.trace = (event) => {
    trace?.(event);
    see(event);
  };
}

/** One check for each family. */
function makeChecks(k: Kernel, report: (violation: Violation) => void): readonly Check[] {
  const rule =
    (family: RuleFamily): Require =>
    (condition, sentence) => {
      if (!condition) report({ family, sentence });
    };
  return [
    new FlagCheck(k, rule("flags")),
    new CountCheck(k, rule("counting")),
    new JobCheck(k, rule("jobs")),
    new LastThreadCheck(rule("last-thread")),
    new SignalCheck(k, rule("signals")),
    new KillApcCheck(k, rule("kill-apcs")),
    new TerminationPortCheck(k, rule("termination-ports")),
    new ReferenceCheck(k, rule("references")),
    new RemainsCheck(k, rule("remains")),
    new IdCheck(k, rule("ids")),
    new UserModeCheck(rule("user-mode")),
    new LockCheck(rule("locks")),
    new PoolCheck(k, rule("pool")),
  ];
}
