/**
 * The shape of a system service as user mode calls it: arguments are raw 32-bit words, pointers among them are probed
 * when they are used, and results are written back through them.
 */
import type { NtStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";

/**
 * The arguments are the thread's own capture area: copy them to locals before anything that may block or enter the
 * kernel again.
 */
export type ServiceHandler = (k: Kernel, a: ServiceArguments) => NtStatus | Blocking<NtStatus>;

/** Indexing past the last argument of the service is an error of the service. */
export type ServiceArguments = Uint32Array;

export interface NtService {
  readonly name: string;
  /** Number of 32-bit words. */
  readonly arguments: number;
  readonly handler: ServiceHandler;
}

/** Answered by services that set the caller's whole context: then no register may be touched afterwards. */
export const CONTEXT_RESULT: NtStatus = -1 as unknown as NtStatus;
