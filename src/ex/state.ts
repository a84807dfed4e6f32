/** The executive's state: pool, machine-wide quota, work queues, and the calls into later layers. */
import type { KThread } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { createPoolState, type PoolState } from "./pool.ts";
import { QuotaBlock, type QuotaLimits } from "./quota.ts";
import { createWorkQueues, type ExWorkQueues } from "./work.ts";

/** What the executive needs from later layers; filled at boot. */
export interface ExUpcalls {
  /** Creates and starts a system thread that runs `routine` and then ends; callable at DISPATCH_LEVEL. */
  createSystemThread: (k: Kernel, routine: (k: Kernel) => Blocking<void>, name: string) => KThread;
  /** Whether the thread wears a token that is not its process's. */
  isImpersonating: (thread: KThread) => boolean;
  /** Takes a reference on an object that the executive embeds in a list or a queue. */
  referenceObject: (object: ObjectBody) => void;
  /** Gives references back; the object is deleted later, by a worker. */
  dereferenceObject: (k: Kernel, object: ObjectBody, count: number) => void;
}

export interface ExState {
  readonly pool: PoolState;
  /** Above every process's quota block. */
  readonly machineQuota: QuotaBlock;
  readonly workQueues: ExWorkQueues;
  readonly upcalls: ExUpcalls;
}

export interface ExOptions {
  /** Limits of the whole machine; what is left out has {@link DEFAULT_MACHINE_LIMITS}. */
  readonly limits?: Partial<QuotaLimits>;
}

/** Enough for any honest program, and little enough that a hostile one cannot exhaust the host. */
const DEFAULT_MACHINE_LIMITS: QuotaLimits = Object.freeze({
  handles: 1 << 18,
  threads: 1 << 14,
  processes: 1 << 12,
  poolBytes: 1 << 28,
  committedPages: 1 << 18,
});

function unset(sentence: string): () => never {
  return () => assert(false, sentence) as never;
}

export function createExState(options: ExOptions = {}): ExState {
  const limits: QuotaLimits = { ...DEFAULT_MACHINE_LIMITS, ...options.limits };
  return {
    pool: createPoolState(limits.poolBytes),
    machineQuota: new QuotaBlock(limits, null),
    workQueues: createWorkQueues(),
    upcalls: {
      createSystemThread: unset("a machine that queues work has system threads"),
      isImpersonating: () => false,
      referenceObject: unset("a machine with timers has an object manager"),
      dereferenceObject: unset("a machine with timers has an object manager"),
    },
  };
}
