/**
 * The steps of the termination routines: every id, where it happens, what it does, which ways it can go, and for what
 * reasons it is passed over. `step` and `skip` (`steps.ts`) take nothing else. `docs/steps.md` is made from this
 * table, and step coverage is measured against it.
 *
 * Nothing of it is looked at while a machine runs.
 */

/** One step. A step without branches has one way to go; one without skips is taken whenever its routine gets there. */
export interface StepEntry {
  /** The routine of NT that the step belongs to. */
  readonly routine: string;
  readonly meaning: string;
  /** The ways that the step can go; each has its own consequences. */
  readonly branches?: readonly string[];
  /** The reasons for which the routine goes on without it. */
  readonly skips?: readonly string[];
}

/** @public for the tools that measure coverage and write the documentation */
export const STEPS = {
  PT1: {
    routine: "PspTerminateProcess",
    meaning: "the kernel debugger is asked about a critical process",
    skips: ["not-critical", "already-dying"],
  },
  PT2: { routine: "PspTerminateProcess", meaning: "mark PROCESS_DELETE: no new threads" },
  PT3: {
    routine: "PspTerminateProcess",
    meaning: "each thread that has not ended is told to die; the caller's own comes last",
    branches: ["other", "caller", "signaled"],
  },
  PT4: {
    routine: "PspTerminateProcess",
    meaning: "close the handles that could keep the process alive",
    branches: ["no-thread", "debugged"],
    skips: ["not-needed"],
  },
  PT5: { routine: "PspTerminateProcess", meaning: "answer", branches: ["success", "nothing-to-terminate"] },

  NP1: {
    routine: "NtTerminateProcess",
    meaning: "the caller's own process, or one by handle",
    branches: ["own", "handle"],
  },
  NP2: { routine: "NtTerminateProcess", meaning: "reference the process", branches: ["found", "refused", "system"] },
  NP3: {
    routine: "NtTerminateProcess",
    meaning: "the kernel debugger is asked about a critical process",
    skips: ["not-critical", "already-dying", "own"],
  },
  NP4: { routine: "NtTerminateProcess", meaning: "take the process's rundown", branches: ["taken", "ending"] },
  NP5: { routine: "NtTerminateProcess", meaning: "no thread seen yet" },
  NP6: { routine: "NtTerminateProcess", meaning: "mark PROCESS_DELETE: no new threads", skips: ["own"] },
  NP7: {
    routine: "NtTerminateProcess",
    meaning: "each thread but the caller is told to die",
    branches: ["other", "caller"],
  },
  NP8: { routine: "NtTerminateProcess", meaning: "give the rundown back" },
  NP9: {
    routine: "NtTerminateProcess",
    meaning: "the caller ends its own process, and so itself",
    skips: ["survives"],
  },
  NP10: { routine: "NtTerminateProcess", meaning: "drop the reference, because nothing after that runs" },
  NP11: {
    routine: "NtTerminateProcess",
    meaning: "a debugger that ends its debuggee lets go of it",
    skips: ["own", "other-status"],
  },
  NP12: {
    routine: "NtTerminateProcess",
    meaning: "close the handles that could keep the process alive",
    branches: ["no-thread", "debugged"],
    skips: ["not-needed"],
  },
  NP13: { routine: "NtTerminateProcess", meaning: "that counts as success" },
  NP14: { routine: "NtTerminateProcess", meaning: "drop the reference and answer" },

  NT1: {
    routine: "NtTerminateThread",
    meaning: "null handle: the caller, unless it is the last thread",
    branches: ["last", "not-last"],
  },
  NT2: { routine: "NtTerminateThread", meaning: "pseudo-handle: the caller" },
  NT3: { routine: "NtTerminateThread", meaning: "reference the thread", branches: ["found", "refused"] },
  NT4: { routine: "NtTerminateThread", meaning: "another thread is told to die" },
  NT5: { routine: "NtTerminateThread", meaning: "the caller by a handle: drop the reference, then die" },

  K1: {
    routine: "PspTerminateThreadByPointer",
    meaning: "the kernel debugger is asked about a critical thread",
    skips: ["not-critical", "already-dying"],
  },
  K2: { routine: "PspTerminateThreadByPointer", meaning: "the thread is the caller" },
  K3: { routine: "PspTerminateThreadByPointer", meaning: "mark itself TERMINATED" },
  K4: { routine: "PspTerminateThreadByPointer", meaning: "exit" },
  K5: { routine: "PspTerminateThreadByPointer", meaning: "a system thread is refused" },
  K6: { routine: "PspTerminateThreadByPointer", meaning: "take the APC block, which is part of the thread" },
  K7: { routine: "PspTerminateThreadByPointer", meaning: "mark the thread TERMINATED" },
  K8: { routine: "PspTerminateThreadByPointer", meaning: "it was marked before: somebody else's kill is under way" },
  K9: { routine: "PspTerminateThreadByPointer", meaning: "initialise the kill APC" },
  K10: { routine: "PspTerminateThreadByPointer", meaning: "queue it", branches: ["queued", "refused"] },
  K11: { routine: "PspTerminateThreadByPointer", meaning: "undo every suspension" },

  RT1: { routine: "NtRegisterThreadTerminatePort", meaning: "reference the port", branches: ["found", "refused"] },
  RT2: {
    routine: "NtRegisterThreadTerminatePort",
    meaning: "allocate the entry",
    branches: ["done", "no-memory", "no-quota"],
  },
  RT3: { routine: "NtRegisterThreadTerminatePort", meaning: "put it in front of the thread's list" },

  C1: { routine: "PspCatchCriticalBreak", meaning: "no kernel debugger: not handled" },
  C2: { routine: "PspCatchCriticalBreak", meaning: "print the message", branches: ["attached", "not-present"] },
  C3: {
    routine: "PspCatchCriticalBreak",
    meaning: "ask whether to break or to ignore",
    branches: ["break", "ignore", "again"],
  },
  C4: { routine: "PspCatchCriticalBreak", meaning: "stop the machine" },

  E1: { routine: "PspExitThread", meaning: "begin" },
  E2: { routine: "PspExitThread", meaning: "stop the machine if the thread is attached" },
  E3: { routine: "PspExitThread", meaning: "lower the level to PASSIVE", branches: ["lowered", "passive"] },
  E4: { routine: "PspExitThread", meaning: "stop the machine if the thread is a worker" },
  E5: { routine: "PspExitThread", meaning: "stop the machine if the thread has its APCs off" },
  E6: { routine: "PspExitThread", meaning: "wait until nobody works on the thread from outside" },
  E7: { routine: "PspExitThread", meaning: "give up its power requests" },
  E8: { routine: "PspExitThread", meaning: "thread notification" },
  E9: { routine: "PspExitThread", meaning: "take the process's lock" },
  E10: { routine: "PspExitThread", meaning: "count the thread out", branches: ["last", "not-last"] },
  E11: { routine: "PspExitThread", meaning: "last: mark PROCESS_DELETE" },
  E12: {
    routine: "PspExitThread",
    meaning: "last: settle the process's exit code",
    branches: ["own-status", "recorded-status", "never-recorded", "already-settled"],
  },
  E13: {
    routine: "PspExitThread",
    meaning: "last: wait for each other thread, without the lock",
    branches: ["first", "another"],
    skips: ["signaled", "being-deleted"],
  },
  E14: { routine: "PspExitThread", meaning: "not last: record the exit status", skips: ["stillborn"] },
  E15: { routine: "PspExitThread", meaning: "release the lock" },
  E16: { routine: "PspExitThread", meaning: "drop the thread that was waited for last", branches: ["dropped", "none"] },
  E17: {
    routine: "PspExitThread",
    meaning: "tell the debugger, and wait for it",
    branches: ["process", "thread"],
    skips: ["no-debugger", "system-thread"],
  },
  E18: {
    routine: "PspExitThread",
    meaning: "the kernel debugger is asked about a critical thread",
    skips: ["not-critical", "no-debugger"],
  },
  E19: {
    routine: "PspExitThread",
    meaning: "last: the end of a critical process",
    branches: ["asked", "stopped"],
    skips: ["not-last", "not-critical"],
  },
  E20: { routine: "PspExitThread", meaning: "no region is left open" },
  E21: {
    routine: "PspExitThread",
    meaning: "CLIENT_DIED to each registered port, newest first",
    branches: ["sent", "given-up"],
  },
  E22: {
    routine: "PspExitThread",
    meaning: "no port was registered: CLIENT_DIED to the exception port",
    branches: ["sent", "given-up"],
    skips: ["no-port", "dead-thread"],
  },
  E23: { routine: "PspExitThread", meaning: "win32k releases the thread", skips: ["no-gui"] },
  E24: { routine: "PspExitThread", meaning: "last: win32k releases the process", skips: ["not-last", "no-gui"] },
  E25: { routine: "PspExitThread", meaning: "stop the machine if the kernel stack is locked" },
  E26: { routine: "PspExitThread", meaning: "cancel the thread's I/O and wait for it" },
  E27: { routine: "PspExitThread", meaning: "cancel its timers" },
  E28: {
    routine: "PspExitThread",
    meaning: "registry notifications, of which there are none: NtNotifyChangeKey is not implemented",
  },
  E29: { routine: "PspExitThread", meaning: "abandon its mutants" },
  E30: {
    routine: "PspExitThread",
    meaning: "free the user stack if asked to, close the debug object, free the TEB",
    branches: ["live-thread", "dead-thread"],
    skips: ["no-teb"],
  },
  E31: { routine: "PspExitThread", meaning: "leave LPC" },
  E32: { routine: "PspExitThread", meaning: "set exit status and time" },
  E33: { routine: "PspExitThread", meaning: "no region is left open" },
  E34: { routine: "PspExitThread", meaning: "last: the process's exit time" },
  E35: { routine: "PspExitThread", meaning: "last: `PspExitProcess`" },
  E36: { routine: "PspExitThread", meaning: "last: audit", branches: ["audited", "not-audited"] },
  E37: { routine: "PspExitThread", meaning: "last: rundown of virtual DOS machines, which do not exist" },
  E38: { routine: "PspExitThread", meaning: "last: close all handles" },
  E39: { routine: "PspExitThread", meaning: "last: drop the image's section", skips: ["no-section"] },
  E40: { routine: "PspExitThread", meaning: "last: the job counts the process out", skips: ["no-job"] },
  E41: { routine: "PspExitThread", meaning: "no APC may be queued any more" },
  E42: { routine: "PspExitThread", meaning: "run down the user APCs", branches: ["some", "none"] },
  E43: { routine: "PspExitThread", meaning: "last: empty the address space", skips: ["not-last"] },
  E44: { routine: "PspExitThread", meaning: "call the Lego routine", skips: ["none"] },
  E45: {
    routine: "PspExitThread",
    meaning: "stop the machine if a kernel APC is left or the APCs are off",
    branches: ["clean", "apc-left", "apcs-off"],
  },
  E46: { routine: "PspExitThread", meaning: "last: signal the process", skips: ["not-last"] },
  E47: { routine: "PspExitThread", meaning: "hand the thread to the reaper and signal it" },

  X1: { routine: "PspExitProcess", meaning: "mark PROCESS_EXITING" },
  X2: { routine: "PspExitProcess", meaning: "process notification", skips: ["deletion"] },
  X3: { routine: "PspExitProcess", meaning: "give up its power requests" },
  X4: {
    routine: "PspExitProcess",
    meaning: "close the security port for ever",
    branches: ["port", "no-port", "already-closed"],
  },
  X5: { routine: "PspExitProcess", meaning: "give up its timer resolution", skips: ["none-set"] },
  X6: { routine: "PspExitProcess", meaning: "the job's exit message", skips: ["no-job"] },
  X7: { routine: "PspExitProcess", meaning: "deletion: empty the address space" },

  R1: { routine: "PspReapRoutine", meaning: "take the list of dead threads", branches: ["first", "again"] },
  R2: {
    routine: "PspReapRoutine",
    meaning: "free a thread's stack, drop its keep-alive reference",
    branches: ["at-once", "after-its-swap"],
  },
  R3: { routine: "PspReapRoutine", meaning: "look whether more have died", branches: ["done", "more"] },

  DP1: { routine: "PspDeleteProcess", meaning: "leave the list of processes", skips: ["not-listed"] },
  DP2: { routine: "PspDeleteProcess", meaning: "free the audit name", branches: ["freed", "none"] },
  DP3: { routine: "PspDeleteProcess", meaning: "leave the job", skips: ["no-job"] },
  DP4: { routine: "PspDeleteProcess", meaning: "stay resident" },
  DP5: { routine: "PspDeleteProcess", meaning: "drop the debug object", branches: ["dropped", "none"] },
  DP6: { routine: "PspDeleteProcess", meaning: "drop the exception port", branches: ["dropped", "none"] },
  DP7: { routine: "PspDeleteProcess", meaning: "drop the section", branches: ["dropped", "none"] },
  DP8: { routine: "PspDeleteProcess", meaning: "local descriptor table and DOS objects, which do not exist" },
  DP9: { routine: "PspDeleteProcess", meaning: "attached: close the handles", skips: ["no-table"] },
  DP10: {
    routine: "PspDeleteProcess",
    meaning: "attached: `PspExitProcess`; then delete the address space",
    skips: ["no-address-space"],
  },
  DP11: { routine: "PspDeleteProcess", meaning: "is there an id", branches: ["id", "no-id"] },
  DP12: { routine: "PspDeleteProcess", meaning: "free the id", branches: ["freed", "not-there"] },
  DP13: { routine: "PspDeleteProcess", meaning: "drop the token", branches: ["dropped", "none"] },
  DP14: { routine: "PspDeleteProcess", meaning: "free the working-set watch and return its quota", skips: ["none"] },
  DP15: { routine: "PspDeleteProcess", meaning: "device map: all processes see the same drives" },
  DP16: { routine: "PspDeleteProcess", meaning: "leave the quota block" },

  DT1: { routine: "PspDeleteThread", meaning: "free the kernel stack of a thread that never ran", skips: ["no-stack"] },
  DT2: { routine: "PspDeleteThread", meaning: "free the id", branches: ["freed", "not-there"], skips: ["no-id"] },
  DT3: { routine: "PspDeleteThread", meaning: "drop what it impersonated", branches: ["dropped", "none"] },
  DT4: { routine: "PspDeleteThread", meaning: "go on if the thread got a process; here each has one from birth" },
  DT5: { routine: "PspDeleteThread", meaning: "leave the process's list of threads", skips: ["never-listed"] },
  DT6: { routine: "PspDeleteThread", meaning: "drop the process" },
} as const;

/**
 * What no run can reach, and why.
 * @public for `tools/step-coverage.mjs`
 */
export const UNREACHABLE_STEPS = {
  "E13~being-deleted": "a thread whose object goes away has been signaled, or was never in the list",
} as const;

export type StepId = keyof typeof STEPS;

/** The branches of a step; none if it has one way to go. */
export type BranchOf<Id extends StepId> = (typeof STEPS)[Id] extends {
  readonly branches: readonly (infer Branch extends string)[];
}
  ? Branch
  : never;

/** The reasons for which a step is passed over. */
export type SkipOf<Id extends StepId> = (typeof STEPS)[Id] extends {
  readonly skips: readonly (infer Reason extends string)[];
}
  ? Reason
  : never;

/** Steps that have one way to go. */
export type PlainStep = { [Id in StepId]: [BranchOf<Id>] extends [never] ? Id : never }[StepId];
/** Steps that have several. */
export type BranchedStep = Exclude<StepId, PlainStep>;
/** Steps that may be passed over. */
export type SkippableStep = { [Id in StepId]: [SkipOf<Id>] extends [never] ? never : Id }[StepId];
