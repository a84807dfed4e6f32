/**
 * Drivers: kernel code that is not ours, loaded into a machine and unloaded from it. Its routines are given the kernel and
 * call what NT exports (`machine/ntoskrnl.ts`).
 *
 * Invariants: loading and unloading are done by worker threads, at PASSIVE_LEVEL. A driver is unloaded when nobody has a file
 * of its devices open, and must then have taken back what leads to its code; if a device is left, the machine stops.
 */
import { BugCheckCode, WaitReason } from "../abi/ke.ts";
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  type NtStatus,
  STATUS_IMAGE_ALREADY_LOADED,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_PENDING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../ex/work.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeInitializeEvent, KeSetEvent } from "../ke/event.ts";
import type { KEvent } from "../ke/objects.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import type { DeviceObject } from "./device.ts";
import { STATUS_DELETE_PENDING } from "./status.ts";

/** A driver as its author writes it. */
export interface Driver {
  readonly name: string;
  /** `DriverEntry`: registers routines, makes devices. A status that is a failure means that it is not loaded. */
  readonly load: (k: Kernel, driver: DriverObject) => Blocking<NtStatus | void>;
  /** `DriverUnload`: takes all of that back. A driver without one stays. */
  readonly unload?: (k: Kernel, driver: DriverObject) => Blocking<void>;
}

/** `DRIVER_OBJECT`: a driver in a machine. */
export class DriverObject {
  readonly driver: Driver;
  /** What {@link Driver.load} answered; PENDING until it has. */
  status: NtStatus = STATUS_PENDING;
  readonly devices: DeviceObject[] = [];
  /** Open files of its devices. */
  openFiles = 0;
  /** From here on nobody opens its devices. */
  unloading = false;
  unloaded = false;
  /** Set when loading is over, and again when unloading is. */
  readonly settled: KEvent;

  constructor(k: Kernel, driver: Driver) {
    this.driver = driver;
    this.settled = KeInitializeEvent(k, "notification", false);
  }

  get name(): string {
    return this.driver.name;
  }
}

/**
 * Loads a driver and waits until it is loaded.
 * @irql PASSIVE_LEVEL
 * @returns IMAGE_ALREADY_LOADED if there is one of that name, or what its `load` answered
 * @public for drivers
 */
export function* IoLoadDriver(k: Kernel, driver: Driver): Blocking<NtResult<DriverObject>> {
  const started = startDriver(k, driver);
  if (!started.ok) return started;
  yield* waitInKernel(k, started.value.settled, WaitReason.Executive);
  const { status } = started.value;
  return NT_SUCCESS(status) ? started : failure(status);
}

/** Has a worker load the driver. Callable while the machine is being set up. */
export function startDriver(k: Kernel, driver: Driver): NtResult<DriverObject> {
  if (k.io.drivers.some(({ name }) => name === driver.name)) return failure(STATUS_IMAGE_ALREADY_LOADED);
  k.ke.runsDrivers = true;
  const object = new DriverObject(k, driver);
  k.io.drivers.push(object);
  ExQueueWorkItem(k, new ExWorkItem((kernel) => load(kernel, object)), WorkQueueType.Delayed);
  return success(object);
}

function* load(k: Kernel, object: DriverObject): Blocking<void> {
  const status = (yield* object.driver.load(k, object)) ?? STATUS_SUCCESS;
  object.status = status;
  if (!NT_SUCCESS(status)) forget(k, object);
  KeSetEvent(k, object.settled, 0);
}

/**
 * Unloads a driver: at once, and waits for it, or when the last file of its devices is closed.
 * @irql PASSIVE_LEVEL
 * @returns SUCCESS; INVALID_DEVICE_REQUEST if it cannot be unloaded, DELETE_PENDING if it is being unloaded
 * @public for drivers
 */
export function* IoUnloadDriver(k: Kernel, object: DriverObject): Blocking<NtStatus> {
  const status = startUnload(k, object);
  if (!NT_SUCCESS(status) || object.openFiles > 0) return status;
  yield* waitInKernel(k, object.settled, WaitReason.Executive);
  return STATUS_SUCCESS;
}

/** Has a worker unload the driver, now or when nobody has a file open. Callable between runs of the machine. */
export function startUnload(k: Kernel, object: DriverObject): NtStatus {
  if (object.unloading) return STATUS_DELETE_PENDING;
  if (object.driver.unload === undefined || object.status === STATUS_PENDING || !NT_SUCCESS(object.status)) {
    return STATUS_INVALID_DEVICE_REQUEST;
  }
  object.unloading = true;
  object.settled.signalState = 0;
  if (object.openFiles === 0) queueUnload(k, object);
  return STATUS_SUCCESS;
}

function queueUnload(k: Kernel, object: DriverObject): void {
  ExQueueWorkItem(k, new ExWorkItem((kernel) => unload(kernel, object)), WorkQueueType.Delayed);
}

function* unload(k: Kernel, object: DriverObject): Blocking<void> {
  yield* object.driver.unload?.(k, object) ?? DONE;
  forget(k, object);
  KeSetEvent(k, object.settled, 0);
}

/** The driver's code is gone, so nothing may lead to it any more. */
function forget(k: Kernel, object: DriverObject): void {
  const [device] = object.devices;
  if (device !== undefined) {
    KeBugCheckEx(k, BugCheckCode.DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS, device.id);
  }
  object.unloaded = true;
  k.io.drivers.splice(k.io.drivers.indexOf(object), 1);
}

/** A file of the device was opened. */
export function countOpen(device: DeviceObject): void {
  device.openFiles++;
  const { driver } = device;
  if (driver !== null) driver.openFiles++;
}

/** It is closed; the last one lets a driver go that waits for it. */
export function countClose(k: Kernel, device: DeviceObject): void {
  device.openFiles--;
  const { driver } = device;
  if (driver !== null && --driver.openFiles === 0 && driver.unloading) queueUnload(k, driver);
}
