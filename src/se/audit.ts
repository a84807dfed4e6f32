/**
 * Process auditing. Policy decides whether an exit is audited; whoever listens is told while the process still has its
 * token and its handles, and can neither fail nor block.
 */
import type { Kernel } from "../kernel.ts";
import type { ObProcess } from "../ob/process.ts";
import type { AuditProcessExitHook } from "./state.ts";
import type { Token } from "./token.ts";

/** Whether exits of processes that run as `token` are audited: the user's own policy goes before the machine's. */
export function SeDetailedAuditingWithToken(k: Kernel, token: Token): boolean {
  return token.auditProcessExit ?? k.se.detailedAuditing;
}

/** Tells every listener that `process` exits. */
export function SeAuditProcessExit(k: Kernel, process: ObProcess): void {
  for (const hook of k.se.auditProcessExit) hook(k, process);
}

/** Adds a listener and turns auditing on. */
export function addProcessExitAudit(k: Kernel, hook: AuditProcessExitHook): void {
  k.se.auditProcessExit.push(hook);
  k.se.detailedAuditing = true;
}
