/**
 * Recovers the system services of an ntdll from the code of its exports, so that any version of any ntdll is served
 * without a table of its numbers.
 *
 * Invariant: what is found depends on the bytes of the image only. Where two exports hold the same number, the one whose
 * name starts with Nt names the service, then the one that the file lists first.
 */
import { failure, STATUS_INVALID_IMAGE_FORMAT, success, type NtResult } from "../abi/status.ts";
import type { PeImage } from "./pe.ts";
import { visitExports } from "./peexports.ts";
import { ImageReader } from "./pereader.ts";

export interface ScannedService {
  readonly number: number;
  readonly name: string;
  readonly argumentBytes: number;
}

/** How the thunks enter the kernel, which decides where the arguments lie at the trap. */
export type ThunkStyle = "direct" | "through a pointer" | "through shared data";

export interface SystemCallScan {
  /** In ascending order of their numbers. */
  readonly services: readonly ScannedService[];
  /** Of the first service; null when there is none. */
  readonly style: ThunkStyle | null;
  /** What to add to ESP at the trap to reach the first argument. */
  readonly argumentOffset: number;
}

const MOV_EAX = 0xb8;
const MOV_EDX = 0xba;
const INT = 0xcd;
const CALL_GROUP = 0xff;
const CALL_EDX = 0xd2;
const CALL_MEMORY_EDX = 0x12;
const RET = 0xc3;
const RET_BYTES = 0xc2;
const SYSTEM_CALL_VECTOR = 0x2e;
/** `KUSER_SHARED_DATA.SystemCall`. */
const SHARED_SYSTEM_CALL = 0x7ffe0300;
/** Twelve bits of number and one that chooses the table. */
const MAXIMUM_NUMBER = 0x1fff;
const MAXIMUM_ARGUMENT_BYTES = 0x80;

export function scanSystemCalls(image: PeImage): NtResult<SystemCallScan> {
  const code = new ImageReader(image);
  const texts = new ImageReader(image);
  const byNumber = new Map<number, ScannedService>();
  let style: ThunkStyle | null = null;
  const intact = visitExports(image, (nameRva, _ordinal, rva, forwarded) => {
    const thunk = forwarded ? null : readThunk(code, rva);
    if (thunk === null) return !code.failed;
    style ??= thunk.style;
    const { number, argumentBytes } = thunk;
    const known = byNumber.get(number);
    const name = known === undefined || !isNt(known.name) ? texts.text(nameRva) : "";
    if (known === undefined || isNt(name)) byNumber.set(number, { number, name, argumentBytes });
    return !texts.failed;
  });
  if (!intact) return failure(STATUS_INVALID_IMAGE_FORMAT);
  const services = [...byNumber.values()].sort((a, b) => a.number - b.number);
  return success({ services, style, argumentOffset: style === "direct" ? 4 : 8 });
}

function isNt(name: string): boolean {
  return name.startsWith("Nt");
}

interface Thunk {
  readonly number: number;
  readonly argumentBytes: number;
  readonly style: ThunkStyle;
}

/** Reads `mov eax,N`, then a way into the kernel, then a return. */
function readThunk(reader: ImageReader, rva: number): Thunk | null {
  if (reader.u8(rva) !== MOV_EAX) return null;
  const number = reader.u32(rva + 1);
  if (number > MAXIMUM_NUMBER) return null;
  const entry = readEntry(reader, rva + 5);
  if (entry === null) return null;
  const argumentBytes = readReturn(reader, entry.next);
  if (argumentBytes === null) return null;
  return { number, argumentBytes, style: entry.style };
}

function readEntry(reader: ImageReader, at: number): { next: number; style: ThunkStyle } | null {
  const opcode = reader.u8(at);
  if (opcode === INT) return reader.u8(at + 1) === SYSTEM_CALL_VECTOR ? { next: at + 2, style: "direct" } : null;
  if (opcode !== MOV_EDX || reader.u8(at + 5) !== CALL_GROUP) return null;
  const target = reader.u32(at + 1);
  const call = reader.u8(at + 6);
  if (call === CALL_EDX) return { next: at + 7, style: "through a pointer" };
  if (call === CALL_MEMORY_EDX && target === SHARED_SYSTEM_CALL) return { next: at + 7, style: "through shared data" };
  return null;
}

/** @returns the bytes of arguments that the thunk removes from the stack */
function readReturn(reader: ImageReader, at: number): number | null {
  const opcode = reader.u8(at);
  if (opcode === RET) return 0;
  if (opcode !== RET_BYTES) return null;
  const bytes = reader.u16(at + 1);
  return bytes % 4 === 0 && bytes <= MAXIMUM_ARGUMENT_BYTES ? bytes : null;
}
