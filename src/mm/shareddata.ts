/**
 * KUSER_SHARED_DATA: one frame a machine, read-only in every process. User mode reads the time, the version and the
 * system's directory from it without a system call.
 *
 * The time in it advances with the clock interrupt, as on real machines, and not with every instruction.
 */
import type { GuestRam } from "../abi/processor.ts";
import { type NtStatus, STATUS_NO_MEMORY, STATUS_SUCCESS } from "../abi/status.ts";
import { KUserSharedData as Field } from "../abi/teb.ts";
import { BOOT_SYSTEM_TIME, KeMaximumIncrement, KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { allocateZeroedFrame } from "./frames.ts";

export interface SharedDataOptions {
  /** `NtSystemRoot`. */
  readonly systemRoot?: string;
  readonly majorVersion?: number;
  readonly minorVersion?: number;
}

const IMAGE_FILE_MACHINE_I386 = 0x14c;
const NT_PRODUCT_WORKSTATION = 1;
/**
 * Milliseconds a tick, as a fixed-point number with 24 binary places. The page counts milliseconds, because Wine's
 * ntdll reads the count without the multiplier.
 */
const TICK_COUNT_MULTIPLIER = 1 << 24;
const TICKS_PER_MILLISECOND = 10_000;
/** `PF_*`: compare-exchange double, MMX, SSE, RDTSC, SSE2. */
const PROCESSOR_FEATURES = [2, 3, 6, 8, 10];
const LONGEST_SYSTEM_ROOT = 259;

/** Makes the page; once. @returns NO_MEMORY if the machine's memory is too small for a single page */
export function createSharedUserData(k: Kernel, options: SharedDataOptions): NtStatus {
  const { ram } = k.mm;
  if (ram === null) return STATUS_SUCCESS;
  const frame = allocateZeroedFrame(k, ram);
  if (frame === 0) return STATUS_NO_MEMORY;
  k.mm.sharedUserFrame = frame;
  fillConstants(k, ram, options);
  MmUpdateSharedTime(k);
  return STATUS_SUCCESS;
}

/** Brings the time in the shared page up to date. Cheap if no clock interrupt has passed; before user mode is entered. */
export function MmUpdateSharedTime(k: Kernel): void {
  const { ram, sharedUserFrame } = k.mm;
  if (ram === null || sharedUserFrame === 0) return;
  const tick = Math.floor(KeQueryInterruptTime(k) / KeMaximumIncrement);
  if (tick === k.mm.sharedUserTick) return;
  k.mm.sharedUserTick = tick;
  const interruptTime = BigInt(tick * KeMaximumIncrement);
  writeSystemTime(k, ram, Field.InterruptTime, interruptTime);
  writeSystemTime(k, ram, Field.SystemTime, BOOT_SYSTEM_TIME + interruptTime);
  const milliseconds = Math.floor((tick * KeMaximumIncrement) / TICKS_PER_MILLISECOND);
  writeSystemTime(k, ram, Field.TickCount, BigInt(milliseconds));
  MmWriteSharedUserData(k, Field.TickCountLowDeprecated, milliseconds | 0);
}

/** Writes one aligned word of the shared page, for what other components show there. */
function MmWriteSharedUserData(k: Kernel, offset: number, value: number): void {
  const { ram, sharedUserFrame } = k.mm;
  if (ram === null || sharedUserFrame === 0) return;
  ram.i32[(sharedUserFrame << 10) + (offset >>> 2)] = value;
  ram.invalidateCode(sharedUserFrame);
}

/** `KSYSTEM_TIME`: the high half twice, so that a reader notices a write in between. */
function writeSystemTime(k: Kernel, ram: GuestRam, offset: number, time: bigint): void {
  const high = Number(time >> 32n) | 0;
  const index = (k.mm.sharedUserFrame << 10) + (offset >>> 2);
  ram.i32[index + 2] = high;
  ram.i32[index] = Number(time & 0xffffffffn) | 0;
  ram.i32[index + 1] = high;
}

function fillConstants(k: Kernel, ram: GuestRam, options: SharedDataOptions): void {
  const page = k.mm.sharedUserFrame * 4096;
  const root = (options.systemRoot ?? "C:\\windows").slice(0, LONGEST_SYSTEM_ROOT);
  MmWriteSharedUserData(k, Field.TickCountMultiplier, TICK_COUNT_MULTIPLIER);
  MmWriteSharedUserData(k, Field.ImageNumberLow, IMAGE_FILE_MACHINE_I386 | (IMAGE_FILE_MACHINE_I386 << 16));
  MmWriteSharedUserData(k, Field.NtProductType, NT_PRODUCT_WORKSTATION);
  MmWriteSharedUserData(k, Field.ProductTypeIsValid, 1);
  MmWriteSharedUserData(k, Field.NtMajorVersion, options.majorVersion ?? 6);
  MmWriteSharedUserData(k, Field.NtMinorVersion, options.minorVersion ?? 1);
  MmWriteSharedUserData(k, Field.NumberOfPhysicalPages, k.mm.frames.end - k.mm.frames.first);
  for (const feature of PROCESSOR_FEATURES) ram.u8[page + Field.ProcessorFeatures + feature] = 1;
  for (let at = 0; at < root.length; at++) {
    const code = root.charCodeAt(at);
    ram.u8[page + Field.NtSystemRoot + 2 * at] = code & 0xff;
    ram.u8[page + Field.NtSystemRoot + 2 * at + 1] = code >>> 8;
  }
}
