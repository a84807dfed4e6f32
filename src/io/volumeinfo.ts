/** `NtQueryVolumeInformationFile`: what is to be known of the volume or the device behind a file. */
import {
  failure,
  type NtResult,
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { StructWriter } from "../se/structure.ts";
import type { Blocking } from "../sim/blocking.ts";
import { CLUSTER_BYTES, MAXIMUM_COMPONENT_LENGTH, SECTOR_BYTES } from "./constants.ts";
import type { FileObject } from "./file.ts";
import type { InformationResult } from "./fileinfo.ts";
import { IoFileObjectType } from "./openfile.ts";
import type { Volume } from "./volume.ts";

/** `FS_INFORMATION_CLASS`, as far as it is answered. */
const FsInformationClass = { Volume: 1, Size: 3, Device: 4, Attribute: 5, FullSize: 7 } as const;

/** The least a caller's buffer must hold, by class. */
const MINIMUM_LENGTHS: ReadonlyMap<number, number> = new Map([
  [FsInformationClass.Volume, 24],
  [FsInformationClass.Size, 24],
  [FsInformationClass.Device, 8],
  [FsInformationClass.Attribute, 16],
  [FsInformationClass.FullSize, 32],
]);

/** Case is kept, names are Unicode. */
const FILE_CASE_PRESERVED_NAMES = 0x2;
const FILE_UNICODE_ON_DISK = 0x4;
const FILE_SYSTEM_NAME = "NTFS";

/**
 * Queries the volume or device of an open file.
 * @returns INVALID_DEVICE_REQUEST for volume classes of what is no volume
 */
export function* NtQueryVolumeInformationFile(
  k: Kernel,
  handle: number,
  informationClass: number,
  length: number,
): Blocking<NtResult<InformationResult>> {
  const minimum = MINIMUM_LENGTHS.get(informationClass);
  if (minimum === undefined) return failure(STATUS_INVALID_INFO_CLASS);
  if (length < minimum) return failure(STATUS_INFO_LENGTH_MISMATCH);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, 0, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!file.ok) return file;
  const writer = new StructWriter();
  const known = writeVolume(writer, file.value, informationClass);
  yield* ObDereferenceObject(k, file.value);
  if (!known) return failure(STATUS_INVALID_DEVICE_REQUEST);
  const bytes = writer.finish();
  if (bytes.length <= length) return success({ status: STATUS_SUCCESS, bytes });
  return success({ status: STATUS_BUFFER_OVERFLOW, bytes: bytes.slice(0, length) });
}

function writeVolume(writer: StructWriter, file: FileObject, informationClass: number): boolean {
  const { device } = file;
  if (informationClass === FsInformationClass.Device) {
    writer.u32(device.deviceType).u32(device.characteristics);
    return true;
  }
  const { volume } = device;
  if (volume === null) return false;
  switch (informationClass) {
    case FsInformationClass.Volume:
      writer
        .u64(volume.creationTime)
        .u32(volume.serial)
        .u32(volume.label.length * 2)
        .u8(0)
        .u8(0);
      writer.utf16(volume.label).align(8);
      return true;
    case FsInformationClass.Size:
      writer
        .u64(totalUnits(volume))
        .u64(freeUnits(volume))
        .u32(CLUSTER_BYTES / SECTOR_BYTES)
        .u32(SECTOR_BYTES);
      return true;
    case FsInformationClass.FullSize:
      writer.u64(totalUnits(volume)).u64(freeUnits(volume)).u64(freeUnits(volume));
      writer.u32(CLUSTER_BYTES / SECTOR_BYTES).u32(SECTOR_BYTES);
      return true;
    default:
      writer.u32(FILE_CASE_PRESERVED_NAMES | FILE_UNICODE_ON_DISK).u32(MAXIMUM_COMPONENT_LENGTH);
      writer.u32(FILE_SYSTEM_NAME.length * 2).utf16(FILE_SYSTEM_NAME);
      return true;
  }
}

function totalUnits(volume: Volume): number {
  return Math.floor(volume.bytesLimit / CLUSTER_BYTES);
}

function freeUnits(volume: Volume): number {
  return Math.floor((volume.bytesLimit - volume.bytesUsed) / CLUSTER_BYTES);
}
