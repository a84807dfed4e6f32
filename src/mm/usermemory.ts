/**
 * The kernel's access to user memory. Everything that user mode hands over is hostile: an address may be anything, and a
 * page may go between two reads. Nothing here throws; the first access that fails leaves its status behind, and from then
 * on reads answer 0 and writes do nothing. So a system service reads all its arguments and checks once:
 *
 *     user.begin();
 *     const size = user.readU32(sizePointer);
 *     if (user.faulted) return user.status;
 *
 * A service that has blocked begins again before it writes its results: the object is shared by all threads.
 */
import { MM_USER_PROBE_ADDRESS, PAGE_SIZE } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import {
  type NtStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeGetCurrentProcess } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { FAULT_ACCESS, MmAccessFault } from "./fault.ts";
import { PTE_PRESENT, PTE_USER, PTE_WRITE, word } from "./pagetable.ts";
import { MmProcess } from "./process.ts";

/** The most that is copied out of user memory at once; nothing asks for more in earnest. */
const LARGEST_READ = 0x10000000;
/** A guard page that grows a stack, a copy and a refreshed translation: more faults on one page need no retry. */
const MOST_RETRIES = 4;
const READABLE = PTE_PRESENT | PTE_USER;
const WRITABLE = PTE_PRESENT | PTE_USER | PTE_WRITE;
const CHARACTERS_AT_ONCE = 0x1000;

export class UserMemory {
  /** Whether an access since {@link begin} has failed. */
  faulted = false;
  /** Why: ACCESS_VIOLATION, GUARD_PAGE_VIOLATION, STACK_OVERFLOW, IN_PAGE_ERROR, NO_MEMORY, or a parameter's status. */
  status: NtStatus = STATUS_SUCCESS;
  /** Where. */
  faultAddress = 0;
  readonly #k: Kernel;
  readonly #process: MmProcess | null;

  /** @param process whose memory; null for the one that is current at each access */
  constructor(k: Kernel, process: MmProcess | null = null) {
    this.#k = k;
    this.#process = process;
  }

  /** Forgets an earlier failure. */
  begin(): this {
    this.faulted = false;
    this.status = STATUS_SUCCESS;
    return this;
  }

  /** Makes the accesses from here to the next {@link begin} fail. */
  fail(status: NtStatus, address: number): void {
    if (this.faulted) return;
    this.faulted = true;
    this.status = status;
    this.faultAddress = address >>> 0;
  }

  readU8(address: number): number {
    const physical = this.#translate(address, 0);
    return physical < 0 ? 0 : (this.#ram().u8[physical] ?? 0);
  }

  readU16(address: number): number {
    if ((address & 1) === 0) {
      const physical = this.#translate(address, 0);
      return physical < 0 ? 0 : (word(this.#ram().i32, physical >>> 2) >>> ((physical & 2) << 3)) & 0xffff;
    }
    const value = this.readU8(address) | (this.readU8(address + 1) << 8);
    return this.faulted ? 0 : value;
  }

  readU32(address: number): number {
    if ((address & 3) === 0) {
      const physical = this.#translate(address, 0);
      return physical < 0 ? 0 : word(this.#ram().i32, physical >>> 2) >>> 0;
    }
    const low = this.readU16(address);
    const value = (low | (this.readU16(address + 2) << 16)) >>> 0;
    return this.faulted ? 0 : value;
  }

  readI32(address: number): number {
    return this.readU32(address) | 0;
  }

  readU64(address: number): bigint {
    const low = this.readU32(address);
    const value = (BigInt(this.readU32(address + 4)) << 32n) | BigInt(low);
    return this.faulted ? 0n : value;
  }

  writeU8(address: number, value: number): void {
    const physical = this.#translate(address, 1);
    if (physical < 0) return;
    const ram = this.#ram();
    ram.u8[physical] = value;
    ram.invalidateCode(physical >>> 12);
  }

  writeU16(address: number, value: number): void {
    // Both bytes or none: the second may lie on a page that can't be written.
    if (!this.probeWrite(address, 2)) return;
    this.writeU8(address, value & 0xff);
    this.writeU8(address + 1, (value >>> 8) & 0xff);
  }

  writeU32(address: number, value: number): void {
    if ((address & 3) === 0) {
      const physical = this.#translate(address, 1);
      if (physical < 0) return;
      const ram = this.#ram();
      ram.i32[physical >>> 2] = value;
      ram.invalidateCode(physical >>> 12);
      return;
    }
    if (!this.probeWrite(address, 4)) return;
    for (let byte = 0; byte < 4; byte++) this.writeU8(address + byte, (value >>> (8 * byte)) & 0xff);
  }

  writeU64(address: number, value: bigint): void {
    if (!this.probeWrite(address, 8)) return;
    this.writeU32(address, Number(value & 0xffffffffn));
    this.writeU32(address + 4, Number((value >> 32n) & 0xffffffffn));
  }

  /** A copy of the bytes; empty if any of them can't be read. */
  readBytes(address: number, length: number): Uint8Array {
    if (length > LARGEST_READ) this.fail(STATUS_INSUFFICIENT_RESOURCES, address);
    // Every page is touched before a copy is allocated, so that a guest gets no memory of the host for a wild length.
    if (!this.#touch(address, length, 0)) return new Uint8Array(0);
    const bytes = new Uint8Array(length);
    this.#forEachPiece(address, length, 0, (ram, physical, at, count) => {
      copyBytes(ram.u8, physical, bytes, at, count);
    });
    return this.faulted ? new Uint8Array(0) : bytes;
  }

  /** Writes all of the bytes, or, if any page can't be written, those in front of it. */
  writeBytes(address: number, bytes: Uint8Array): void {
    this.#forEachPiece(address, bytes.length, 1, (ram, physical, at, count) => {
      copyBytes(bytes, at, ram.u8, physical, count);
      ram.invalidateCode(physical >>> 12);
    });
  }

  /** Where {@link writeScratch} takes bytes from, and {@link readScratch} puts them: 1024 bytes, of any content. */
  get scratch(): DataView {
    return this.#k.mm.scratch;
  }

  /** Writes the bytes [from, to) of the scratch area to the same offsets from `address`. */
  writeScratch(address: number, from: number, to: number): void {
    this.writeBytes(address + from, new Uint8Array(this.scratch.buffer, from, to - from));
  }

  /** Reads the bytes [from, to) behind `address` into the scratch area; if any can't be read, what is there is arbitrary. */
  readScratch(address: number, from: number, to: number): void {
    const bytes = new Uint8Array(this.scratch.buffer, from, to - from);
    this.#forEachPiece(address + from, to - from, 0, (ram, physical, at, count) => {
      copyBytes(ram.u8, physical, bytes, at, count);
    });
  }

  /**
   * For many writes to one page, which must follow at once: the index of the word at `address` in the words of guest
   * memory, or -1 if it can't be written.
   */
  wordsForWriting(address: number): number {
    const physical = this.#translate(address, 1);
    if (physical < 0) return -1;
    this.#ram().invalidateCode(physical >>> 12);
    return physical >>> 2;
  }

  fill(address: number, length: number, byte: number): void {
    this.#forEachPiece(address, length, 1, (ram, physical, _at, count) => {
      ram.u8.fill(byte, physical, physical + count);
      ram.invalidateCode(physical >>> 12);
    });
  }

  /** UTF-16 text of `byteLength` bytes; half a character at the end is left out. */
  readUtf16(address: number, byteLength: number): string {
    const bytes = this.readBytes(address, byteLength & ~1);
    let text = "";
    for (let from = 0; from < bytes.length; from += 2 * CHARACTERS_AT_ONCE) {
      const codes: number[] = [];
      const end = Math.min(bytes.length, from + 2 * CHARACTERS_AT_ONCE);
      for (let at = from; at < end; at += 2) codes.push((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
      text += String.fromCharCode(...codes);
    }
    return text;
  }

  writeUtf16(address: number, text: string): void {
    const bytes = new Uint8Array(2 * text.length);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      bytes[2 * at] = code & 0xff;
      bytes[2 * at + 1] = code >>> 8;
    }
    this.writeBytes(address, bytes);
  }

  /** The text of a UNICODE_STRING. Longer than `maxBytes`: fails with INVALID_PARAMETER. */
  readUnicodeString(pointer: number, maxBytes: number): string {
    const byteLength = this.readU16(pointer);
    const buffer = this.readU32(pointer + 4);
    if (byteLength > maxBytes) this.fail(STATUS_INVALID_PARAMETER, pointer);
    return this.faulted || byteLength === 0 ? "" : this.readUtf16(buffer, byteLength);
  }

  /** `ProbeForRead`: range and alignment only. @returns whether the range may be read as far as one can tell */
  probeRead(address: number, length: number, alignment = 1): boolean {
    if (length > 0 && address % alignment !== 0) this.fail(STATUS_DATATYPE_MISALIGNMENT, address);
    if (length > 0 && !isUserRange(address, length)) this.fail(STATUS_ACCESS_VIOLATION, address);
    return !this.faulted;
  }

  /** `ProbeForWrite`: makes every page of the range writable now. @returns whether they are */
  probeWrite(address: number, length: number, alignment = 1): boolean {
    return this.probeRead(address, length, alignment) && this.#touch(address, length, 1);
  }

  #ram(): GuestRam {
    const { ram } = this.#k.mm;
    assert(ram !== null, "an address was translated in a machine with memory");
    return ram;
  }

  /** Resolves the faults of all pages of a range. */
  #touch(address: number, length: number, write: 0 | 1): boolean {
    this.#forEachPiece(address, length, write, () => {});
    return !this.faulted;
  }

  /** Calls `visit` for the part of the range on each page, with its physical address, its place in the range, its size. */
  #forEachPiece(
    address: number,
    length: number,
    write: 0 | 1,
    visit: (ram: GuestRam, physical: number, at: number, count: number) => void,
  ): void {
    if (length === 0 || this.faulted) return;
    if (!isUserRange(address, length)) {
      this.fail(STATUS_ACCESS_VIOLATION, address);
      return;
    }
    for (let at = 0; at < length;) {
      const count = Math.min(length - at, PAGE_SIZE - ((address + at) & (PAGE_SIZE - 1)));
      const physical = this.#translate(address + at, write);
      if (physical < 0) return;
      this.#k.ke.turnPages++;
      visit(this.#ram(), physical, at, count);
      at += count;
    }
  }

  /** The physical address, with the page made present; -1 if the access fails, or an earlier one has. */
  #translate(address: number, write: 0 | 1): number {
    if (this.faulted) return -1;
    const { ram } = this.#k.mm;
    if (ram === null || address >= MM_USER_PROBE_ADDRESS || address < 0) return this.#refuse(address);
    const process = this.#process ?? KeGetCurrentProcess(this.#k);
    const pte = readPte(ram, process.directoryTableBase, address);
    const needed = write === 0 ? READABLE : WRITABLE;
    if ((pte & needed) === needed) return (pte >>> 12) * PAGE_SIZE + (address & (PAGE_SIZE - 1));
    assert(process instanceof MmProcess, "every process is memory management's");
    return this.#resolve(ram, process, address, needed);
  }

  #resolve(ram: GuestRam, process: MmProcess, address: number, needed: number): number {
    const access = FAULT_ACCESS[needed & PTE_WRITE];
    assert(access !== undefined, "the table holds every kind of access");
    for (let retry = 0; retry < MOST_RETRIES; retry++) {
      const status = MmAccessFault(this.#k, process, address, access);
      if (status !== STATUS_SUCCESS) {
        this.fail(status, address);
        return -1;
      }
      const pte = readPte(ram, process.directoryTableBase, address);
      if ((pte & needed) === needed) return (pte >>> 12) * PAGE_SIZE + (address & (PAGE_SIZE - 1));
    }
    return this.#refuse(address);
  }

  #refuse(address: number): -1 {
    this.fail(STATUS_ACCESS_VIOLATION, address);
    return -1;
  }
}

/** Below this many bytes a loop is faster than a view and a copy by the engine. */
const SHORT_COPY = 48;

function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, count: number): void {
  if (count >= SHORT_COPY) target.set(source.subarray(from, from + count), to);
  else for (let byte = 0; byte < count; byte++) target[to + byte] = source[from + byte] ?? 0;
}

function isUserRange(address: number, length: number): boolean {
  return address >= 0 && address + length <= MM_USER_PROBE_ADDRESS;
}

function readPte(ram: GuestRam, directory: number, address: number): number {
  if (directory === 0) return 0;
  const { i32 } = ram;
  const pde = word(i32, (directory >>> 2) + (address >>> 22));
  if ((pde & PTE_PRESENT) === 0) return 0;
  return word(i32, ((pde >>> 12) << 10) + ((address >>> 12) & 0x3ff));
}
