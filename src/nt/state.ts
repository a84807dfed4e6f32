/**
 * The state of the system service interface: how many calls were made, and what was asked for and does not exist.
 * Nothing is answered as if it existed: it is refused, and remembered here for the report.
 */
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_NOT_IMPLEMENTED,
} from "../abi/status.ts";
import type { SharedImage } from "../mm/image.ts";
import type { Kernel } from "../kernel.ts";

export interface NtState {
  systemCalls: number;
  /** Names of services and classes that were asked for and do not exist, in the order of their first use. */
  readonly notImplemented: Set<string>;
  /** Name of a system-call number without a handler, for the report. */
  nameOf: (number: number) => string;
  /** Parses a program file for an image section; set by the guest environment. */
  parseImage: (bytes: Uint8Array) => NtResult<SharedImage>;
  /** Notes an unknown system call. @returns NOT_IMPLEMENTED */
  unknownService: (k: Kernel, number: number) => NtStatus;
}

export function createNtState(): NtState {
  return {
    systemCalls: 0,
    notImplemented: new Set(),
    nameOf: (number) => `system call 0x${number.toString(16)}`,
    parseImage: () => failure(STATUS_INVALID_IMAGE_FORMAT),
    unknownService: (k, number) => {
      k.nt.systemCalls++;
      return notImplemented(k, k.nt.nameOf(number));
    },
  };
}

/** Notes something that the guest asked for and that does not exist. @returns NOT_IMPLEMENTED */
export function notImplemented(k: Kernel, what: string): NtStatus {
  k.nt.notImplemented.add(what);
  return STATUS_NOT_IMPLEMENTED;
}
