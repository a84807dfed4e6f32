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
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { ObCreateObject } from "../ob/create.ts";
import { findEntry, insertEntry, ObjectDirectory } from "../ob/directory.ts";
import { ObMakePermanentObject, ObMakeTemporaryObject } from "../ob/name.ts";
import { createPermanentLink } from "../ob/namespace.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { ObjectSymbolicLink } from "../ob/symlink.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import type { DriverObject } from "./driver.ts";
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
  /** The driver that made it; null for the kernel's own. */
  readonly driver: DriverObject | null;
  /** `DO_EXCLUSIVE`: one open at a time. */
  readonly exclusive: boolean;
  /** File objects that refer to it, each with a reference. */
  openFiles = 0;
  /** Deleted: what is open goes on, and nobody opens it any more. */
  deletePending = false;

  constructor(id: number, name: string, init: DeviceInit) {
    super(id);
    this.name = name;
    this.deviceType = init.deviceType;
    this.characteristics = init.characteristics ?? 0;
    this.dispatch = init.dispatch;
    this.volume = init.volume ?? null;
    this.driver = init.driver ?? null;
    this.exclusive = init.exclusive ?? false;
  }
}

export interface DeviceInit {
  readonly deviceType: number;
  readonly characteristics?: number;
  readonly dispatch: DeviceDispatch;
  readonly volume?: Volume;
  readonly driver?: DriverObject;
  readonly exclusive?: boolean;
}

/**
 * Makes a device that can be opened as `\Device\<name>`. It stays until {@link IoDeleteDevice}.
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
  device.driver?.devices.push(device);
  return success(device);
}

/**
 * Takes a device's name away and drops its driver's reference: nobody opens it any more. Files that are open keep it.
 * @public for drivers
 */
export function* IoDeleteDevice(k: Kernel, device: DeviceObject): Blocking<void> {
  if (device.deletePending) return;
  device.deletePending = true;
  const devices = device.driver?.devices;
  if (devices !== undefined) devices.splice(devices.indexOf(device), 1);
  yield* ObMakeTemporaryObject(k, device);
  yield* ObDereferenceObject(k, device);
}

/**
 * Lets `\??\<name>`, which a program writes as `\\.\<name>`, lead to `target`, a path in the name space.
 * @returns OBJECT_NAME_COLLISION if the name is taken
 */
export function IoCreateSymbolicLink(k: Kernel, name: string, target: string): NtStatus {
  const directory = systemDirectory(k, "??");
  if (findEntry(directory, name, OBJ_CASE_INSENSITIVE) !== null) return STATUS_OBJECT_NAME_COLLISION;
  createPermanentLink(k, directory, name, target);
  return STATUS_SUCCESS;
}

/**
 * Takes such a name away.
 * @returns OBJECT_NAME_NOT_FOUND
 * @public for drivers
 */
export function* IoDeleteSymbolicLink(k: Kernel, name: string): Blocking<NtStatus> {
  const link = findEntry(systemDirectory(k, "??"), name, OBJ_CASE_INSENSITIVE);
  if (!(link instanceof ObjectSymbolicLink)) return STATUS_OBJECT_NAME_NOT_FOUND;
  yield* ObMakeTemporaryObject(k, link);
  yield* ObDereferenceObject(k, link);
  return STATUS_SUCCESS;
}

function systemDirectory(k: Kernel, name: string): ObjectDirectory {
  const directory = findEntry(k.ob.rootDirectory, name, OBJ_CASE_INSENSITIVE);
  assert(directory instanceof ObjectDirectory, "the object manager makes the system directories first");
  return directory;
}
