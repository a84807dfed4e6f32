/**
 * Image notify routines: drivers that hear of every image that is mapped into a process. The program and its ntdll are
 * told in the process's first thread before it runs, everything else in the thread that maps it.
 */
import { PAGE_SIZE } from "../abi/mm.ts";
import { PSF_IMAGE_NOTIFY_DONE } from "../abi/ps.ts";
import {
  type NtStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCEDURE_NOT_FOUND,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { invokeCallbacks, registerCallback, unregisterCallback } from "../ex/callback.ts";
import type { Kernel } from "../kernel.ts";
import type { Vad } from "../mm/vad.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { hasProcessFlag, PspSetProcessFlag } from "./flags.ts";
import type { EProcess } from "./objects.ts";

/** `IMAGE_INFO`: where an image is, in user addresses and bytes. */
export interface ImageInfo {
  readonly imageBase: number;
  readonly imageSize: number;
}

/** A routine that is told of images: by their full name, and the process that they are mapped into. */
export type ImageNotifyRoutine = (k: Kernel, fullImageName: string, pid: number, image: ImageInfo) => Blocking<void>;

/**
 * Registers an image notify routine.
 * @returns INSUFFICIENT_RESOURCES when all slots are taken
 * @public for drivers
 */
// eslint-disable-next-line require-yield
export function* PsSetLoadImageNotifyRoutine(k: Kernel, routine: ImageNotifyRoutine): Blocking<NtStatus> {
  return registerCallback(k.ps.imageNotify, routine) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/**
 * Unregisters an image notify routine, once nobody runs it.
 * @returns PROCEDURE_NOT_FOUND
 * @public for drivers
 */
export function* PsRemoveLoadImageNotifyRoutine(k: Kernel, routine: ImageNotifyRoutine): Blocking<NtStatus> {
  return (yield* unregisterCallback(k, k.ps.imageNotify, routine)) ? STATUS_SUCCESS : STATUS_PROCEDURE_NOT_FOUND;
}

/** Tells of an image that was mapped into the process with id `pid`. */
export function PsCallImageNotifyRoutines(
  k: Kernel,
  fullImageName: string,
  pid: number,
  image: ImageInfo,
): Blocking<void> {
  if (k.ps.imageNotify.count === 0) return DONE;
  return invokeCallbacks(k, k.ps.imageNotify, (routine) => routine(k, fullImageName, pid, image));
}

/** Tells of the images that a process was made with, the program first; in its first thread, once. */
export function* notifyFirstImages(k: Kernel, process: EProcess): Blocking<void> {
  if (k.ps.imageNotify.count === 0 || hasProcessFlag(process, PSF_IMAGE_NOTIFY_DONE)) return;
  PspSetProcessFlag(process, PSF_IMAGE_NOTIFY_DONE);
  const images = process.addressSpace?.vads.filter(({ view }) => view !== null && view.segment.image !== null) ?? [];
  const isProgram = (vad: Vad): boolean => vad.startPage * PAGE_SIZE === process.sectionBaseAddress;
  const ordered = [...images.filter(isProgram), ...images.filter((vad) => !isProgram(vad))];
  for (const { view, startPage, endPage } of ordered) {
    if (view === null) continue;
    const image = { imageBase: startPage * PAGE_SIZE, imageSize: (endPage - startPage) * PAGE_SIZE };
    yield* PsCallImageNotifyRoutines(k, view.section.fileName, process.pid, image);
  }
}
