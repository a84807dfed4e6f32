/** The timer services: what user mode can do with a timer by handle or by name. */
import { READ_CONTROL, TIMER_ALL_ACCESS, TIMER_MODIFY_STATE, TIMER_QUERY_STATE } from "../../abi/ob.ts";
import { SYNCHRONIZE } from "../../abi/ps.ts";
import { failure, type NtResult, STATUS_INVALID_PARAMETER_6, success } from "../../abi/status.ts";
import { type ETimer, ExCancelTimer, ExSetTimer, newExecutiveTimer } from "../../ex/timer.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { NormalRoutine } from "../../ke/objects.ts";
import { KeQueryInterruptTime } from "../../ke/time.ts";
import { KeCancelTimer } from "../../ke/timer.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { InsertedObject } from "../insert.ts";
import type { ObjectAttributes } from "../lookup.ts";
import { actAtOnce, createObject, openObject } from "../service.ts";
import type { ObjectTypeInit } from "../type.ts";

export const timerTypeInit: ObjectTypeInit<ETimer> = {
  name: "Timer",
  validAccess: TIMER_ALL_ACCESS,
  genericMapping: {
    read: READ_CONTROL | TIMER_QUERY_STATE,
    write: READ_CONTROL | TIMER_MODIFY_STATE,
    execute: READ_CONTROL | SYNCHRONIZE,
    all: TIMER_ALL_ACCESS,
  },
  poolBytes: 0xb0,
  deleteProcedure: ExpDeleteTimer,
  defaultObject: (timer) => timer,
};

/** A timer that is associated with a thread is referenced, so only the expiry is left to stop. */
// eslint-disable-next-line require-yield
function* ExpDeleteTimer(k: Kernel, timer: ETimer): Blocking<void> {
  KeCancelTimer(k, timer);
}

/** @returns as ObInsertObject */
export function NtCreateTimer(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  type: "notification" | "synchronization",
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ob.timerType, newExecutiveTimer(k, type), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenTimer(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ob.timerType, desiredAccess, attributes);
}

export interface TimerSettings {
  /** 100 ns from now, >= 0; who was given a date has subtracted the present. */
  readonly due100ns: number;
  /** 0 for once. */
  readonly periodMs: number;
  /** What to run in the calling thread when the timer goes off. */
  readonly apc: {
    /** Address of a user-mode routine, or a kernel routine. */
    readonly routine: NormalRoutine | number;
    /** A scripted program's routine, in place of an address. */
    readonly userRoutine?: unknown;
    readonly context: unknown;
  } | null;
}

const TICKS_PER_MS = 10_000;

/** @returns whether it was signaled before; INVALID_PARAMETER_6 for a negative period; errors of the handle */
export function NtSetTimer(k: Kernel, handle: number, settings: TimerSettings): NtResult<boolean> {
  const { due100ns, periodMs, apc } = settings;
  if (periodMs < 0) return failure(STATUS_INVALID_PARAMETER_6);
  return actAtOnce<ETimer, boolean>(k, k.ob.timerType, handle, TIMER_MODIFY_STATE, (timer) =>
    success(
      ExSetTimer(k, timer, {
        due100ns,
        period100ns: periodMs * TICKS_PER_MS,
        apc: apc === null ? null : { ...apc, mode: KeGetPreviousMode(k) },
      }),
    ),
  );
}

/** @returns whether it was signaled before; errors of the handle */
export function NtCancelTimer(k: Kernel, handle: number): NtResult<boolean> {
  return actAtOnce<ETimer, boolean>(k, k.ob.timerType, handle, TIMER_MODIFY_STATE, (timer) =>
    success(ExCancelTimer(k, timer)),
  );
}

/** `TIMER_BASIC_INFORMATION`. */
export interface TimerInformation {
  /** 100 ns; negative once it has gone off. */
  readonly remaining100ns: number;
  readonly signaled: boolean;
}

/** @returns errors of the handle */
export function NtQueryTimer(k: Kernel, handle: number): NtResult<TimerInformation> {
  return actAtOnce<ETimer, TimerInformation>(k, k.ob.timerType, handle, TIMER_QUERY_STATE, (timer) =>
    success({ remaining100ns: timer.dueTime - KeQueryInterruptTime(k), signaled: timer.signalState !== 0 }),
  );
}
