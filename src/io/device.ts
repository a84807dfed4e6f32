/**
 * Devices: what answers requests for a file. A device's routines are plain: they either answer at once, or say
 * STATUS_PENDING and see to it that `IoCompleteRequest` is called later.
 */
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  type NtStatus,
  STATUS_OBJECT_NAME_COLLISION,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { ObCreateObject } from "../ob/create.ts";
import { findEntry, insertEntry, ObjectDirectory } from "../ob/directory.ts";
import { ObMakePermanentObject } from "../ob/name.ts";
import { createPermanentLink } from "../ob/namespace.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import { newObjectId } from "../sim/identity.ts";
import type { FileObject } from "./file.ts";
import type { Irp } from "./irp.ts";
import type { Volume } from "./volume.ts";

/** What a device does; what it leaves out answers INVALID_DEVICE_REQUEST. */
export interface DeviceDispatch {
  /** An open of the device, or of `file.fileName` in it. */
  readonly create?: (k: Kernel, file: FileObject) => NtStatus;
  /** The last handle of the file was closed: give up what waits for it. */
  readonly cleanup?: (k: Kernel, file: FileObject) => void;
  /** The file object goes away. */
  readonly close?: (k: Kernel, file: FileObject) => void;
  readonly read?: DispatchRoutine;
  readonly write?: DispatchRoutine;
  readonly flush?: DispatchRoutine;
  readonly deviceControl?: DispatchRoutine;
  readonly fileSystemControl?: DispatchRoutine;
  readonly lockControl?: DispatchRoutine;
}

/**
 * Performs a request: sets `information` and `output` of the IRP and returns its status, or returns STATUS_PENDING and
 * completes the IRP later (or has completed it already).
 */
export type DispatchRoutine = (k: Kernel, irp: Irp) => NtStatus;

export class DeviceObject extends ObjectBody {
  /** Name under `\Device`. */
  readonly name: string;
  readonly deviceType: number;
  readonly characteristics: number;
  readonly dispatch: DeviceDispatch;
  /** The volume that is mounted on it, for a disk. */
  readonly volume: Volume | null;

  constructor(id: number, name: string, init: DeviceInit) {
    super(id);
    this.name = name;
    this.deviceType = init.deviceType;
    this.characteristics = init.characteristics ?? 0;
    this.dispatch = init.dispatch;
    this.volume = init.volume ?? null;
  }
}

export interface DeviceInit {
  readonly deviceType: number;
  readonly characteristics?: number;
  readonly dispatch: DeviceDispatch;
  readonly volume?: Volume;
}

/**
 * Makes a device that can be opened as `\Device\<name>`. Devices stay until the machine ends.
 * @returns OBJECT_NAME_COLLISION if there is one of that name, INSUFFICIENT_RESOURCES without pool
 */
export function IoCreateDevice(k: Kernel, name: string, init: DeviceInit): NtResult<DeviceObject> {
  const directory = systemDirectory(k, "Device");
  if (findEntry(directory, name, OBJ_CASE_INSENSITIVE) !== null) return failure(STATUS_OBJECT_NAME_COLLISION);
  const device = new DeviceObject(newObjectId(k), name, init);
  assert(k.io.deviceType !== null, "IoInitSystem runs before the first device is made");
  const status = ObCreateObject(k, k.io.deviceType, device);
  if (!NT_SUCCESS(status)) return failure(status);
  ObMakePermanentObject(device);
  insertEntry(directory, name, device);
  return success(device);
}

/** Lets `\??\<name>` lead to `target`, a path in the name space. The name must be free. */
export function IoCreateSymbolicLink(k: Kernel, name: string, target: string): void {
  createPermanentLink(k, systemDirectory(k, "??"), name, target);
}

function systemDirectory(k: Kernel, name: string): ObjectDirectory {
  const directory = findEntry(k.ob.rootDirectory, name, OBJ_CASE_INSENSITIVE);
  assert(directory instanceof ObjectDirectory, "the object manager makes the system directories first");
  return directory;
}
