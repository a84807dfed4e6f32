/** The security subsystem's state: the Token type, the id counter, the audit hooks, and the calls into the process layer. */
import type { Kernel } from "../kernel.ts";
import type { ObProcess } from "../ob/process.ts";
import type { ObThread } from "../ob/thread.ts";
import type { ObjectType } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import type { ImpersonationInfo, Token } from "./token.ts";

/** Told about every process that exits, while its token is still there. */
export type AuditProcessExitHook = (k: Kernel, process: ObProcess) => void;

/** What security needs from the process layer; filled at boot. */
export interface SeUpcalls {
  /** The process's token, without a reference: good until the caller suspends. Null once it has none any more. */
  processToken: (process: ObProcess) => Token | null;
  /** The token of the thread's home process, without a reference: good until the caller suspends. */
  peekPrimaryToken: (thread: ObThread) => Token;
  /** What the thread impersonates, or null while it acts as its process. */
  impersonation: (thread: ObThread) => ImpersonationInfo | null;
  /** The Process and Thread object types. */
  processType: () => ObjectType;
  threadType: () => ObjectType;
}

export interface SeState {
  /** The Token object type; null until `SeInitSystem` made it. */
  tokenType: ObjectType | null;
  /** Last locally unique id that was handed out; below 0x400 lie the well-known ones. */
  lastLuid: number;
  /** Whether process exits are audited at all (`SeDetailedAuditing`). */
  detailedAuditing: boolean;
  readonly auditProcessExit: AuditProcessExitHook[];
  readonly upcalls: SeUpcalls;
}

function unset(name: string): () => never {
  return () => {
    assert(false, `the machine was booted with ${name}`);
  };
}

export function createSeState(): SeState {
  return {
    tokenType: null,
    lastLuid: 0x3ff,
    detailedAuditing: false,
    auditProcessExit: [],
    upcalls: {
      processToken: () => null,
      peekPrimaryToken: unset("processes"),
      impersonation: () => null,
      processType: unset("processes"),
      threadType: unset("threads"),
    },
  };
}
