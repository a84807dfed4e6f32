/**
 * The I/O manager's state: object types, volumes, output accounting. The limits are the machine's defence against a
 * program that writes without end; they are fixed when it boots.
 */
import type { ObjectType } from "../ob/type.ts";
import type { DriverObject } from "./driver.ts";
import type { Volume } from "./volume.ts";

export interface IoOptions {
  /** Bytes that the files of one in-memory volume may hold together. */
  readonly volumeBytes?: number;
  /** Files and directories of one in-memory volume. */
  readonly volumeFiles?: number;
  /** Bytes that may go to the output streams together. */
  readonly outputBytes?: number;
}

/** What went to the output streams. */
export interface OutputAccount {
  bytes: number;
  readonly limit: number;
  /** True once a write was refused because of the limit. */
  exceeded: boolean;
}

export interface IoState {
  /** The object types; null until `IoInitSystem` made them. */
  fileType: ObjectType | null;
  deviceType: ObjectType | null;
  completionType: ObjectType | null;
  /** Volumes in order of creation; the index is the number in `\Device\HarddiskVolume`. */
  readonly volumes: Volume[];
  readonly volumeBytes: number;
  readonly volumeFiles: number;
  readonly output: OutputAccount;
  cancelSpinLockHeld: boolean;
  /** Loaded drivers, in the order of their loading. */
  readonly drivers: DriverObject[];
  /** IRPs that no thread owns any more because their cancellation timed out. */
  abandonedIrps: number;
}

export function createIoState(options: IoOptions = {}): IoState {
  return {
    fileType: null,
    deviceType: null,
    completionType: null,
    volumes: [],
    volumeBytes: options.volumeBytes ?? 256 << 20,
    volumeFiles: options.volumeFiles ?? 65_536,
    output: { bytes: 0, limit: options.outputBytes ?? Infinity, exceeded: false },
    cancelSpinLockHeld: false,
    drivers: [],
    abandonedIrps: 0,
  };
}
