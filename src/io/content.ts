/**
 * The bytes of a file: in memory, shared and read-only, or on the host.
 *
 * Invariant: the bytes that the files of a volume hold in memory never exceed its quota, because nothing grows before
 * it was charged.
 */
import {
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { HostDirectory, HostOutcome } from "./hostdirectory.ts";
import { STATUS_DIRECTORY_NOT_EMPTY, STATUS_DISK_FULL, STATUS_UNEXPECTED_IO_ERROR } from "./status.ts";

/** A file's bytes. The object's identity stands for the file wherever pages of it are shared. */
export interface FileContent {
  readonly length: number;
  /** Copies bytes from `offset` on into `target`. @returns how many; fewer than asked for only at the end */
  read(offset: number, target: Uint8Array): number;
  /** Writes at `offset`; a gap behind the old end becomes zeros. */
  write(offset: number, bytes: Uint8Array): NtStatus;
  setLength(length: number): NtStatus;
}

/** Where bytes in memory are accounted. */
export interface ByteAccount {
  bytesUsed: number;
  readonly bytesLimit: number;
}

/** Takes `count` bytes (or gives them back, if negative). @returns false if the quota does not allow it */
export function chargeBytes(account: ByteAccount, count: number): boolean {
  if (count > 0 && account.bytesUsed + count > account.bytesLimit) return false;
  account.bytesUsed += count;
  return true;
}

/** A file of an in-memory volume. Capacity doubles, so writing a file piece by piece costs what it is long. */
export class MemoryContent implements FileContent {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  readonly #account: ByteAccount;

  constructor(account: ByteAccount) {
    this.#account = account;
  }

  get length(): number {
    return this.#length;
  }

  read(offset: number, target: Uint8Array): number {
    return copyOut(this.#bytes.subarray(0, this.#length), offset, target);
  }

  write(offset: number, bytes: Uint8Array): NtStatus {
    const end = offset + bytes.length;
    if (end > this.#length) {
      const status = this.setLength(end);
      if (status !== STATUS_SUCCESS) return status;
    }
    this.#bytes.set(bytes, offset);
    return STATUS_SUCCESS;
  }

  setLength(length: number): NtStatus {
    if (!chargeBytes(this.#account, length - this.#length)) return STATUS_DISK_FULL;
    if (length > this.#bytes.length) this.#grow(length);
    else if (length < this.#length) this.#bytes.fill(0, length, this.#length);
    this.#length = length;
    return STATUS_SUCCESS;
  }

  #grow(length: number): void {
    const capacity = Math.max(length, Math.min(this.#bytes.length * 2, this.#account.bytesLimit), 256);
    const grown = new Uint8Array(capacity);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Bytes that are given and never change: system files, the program itself. They are not copied. */
export class FixedContent implements FileContent {
  #bytes: Uint8Array | (() => Uint8Array);

  /** @param bytes or how to get them when they are first needed */
  constructor(bytes: Uint8Array | (() => Uint8Array)) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** The bytes themselves, which the caller must not change. */
  get bytes(): Uint8Array {
    if (typeof this.#bytes === "function") this.#bytes = this.#bytes();
    return this.#bytes;
  }

  read(offset: number, target: Uint8Array): number {
    return copyOut(this.bytes, offset, target);
  }

  write(): NtStatus {
    return STATUS_ACCESS_DENIED;
  }

  setLength(): NtStatus {
    return STATUS_ACCESS_DENIED;
  }
}

/** Where a file on the host lives. */
export interface HostBinding {
  readonly host: HostDirectory;
  /** Bytes that a guest may add to the files of this mount. */
  readonly account: ByteAccount;
  /** Asked for each time, since a directory above may have been renamed. */
  readonly path: () => string;
}

/** A file on the host. */
export class HostContent implements FileContent {
  readonly #binding: HostBinding;
  #length: number;

  constructor(binding: HostBinding, length: number) {
    this.#binding = binding;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  read(offset: number, target: Uint8Array): number {
    const wanted = Math.min(target.length, Math.max(0, this.#length - offset));
    if (wanted === 0) return 0;
    const bytes = this.#binding.host.read(this.#binding.path(), offset, wanted);
    if (bytes === null) return 0;
    target.set(bytes.length > wanted ? bytes.subarray(0, wanted) : bytes);
    return Math.min(bytes.length, wanted);
  }

  write(offset: number, bytes: Uint8Array): NtStatus {
    const { host, path } = this.#binding;
    const end = Math.max(this.#length, offset + bytes.length);
    return this.#resize(end, () => host.write(path(), offset, bytes));
  }

  setLength(length: number): NtStatus {
    const { host, path } = this.#binding;
    return this.#resize(length, () => host.setLength(path(), length));
  }

  /** Charges the growth, does `change`, and takes the charge back if it failed. */
  #resize(length: number, change: () => HostOutcome): NtStatus {
    const growth = length - this.#length;
    if (!chargeBytes(this.#binding.account, growth)) return STATUS_DISK_FULL;
    const outcome = change();
    if (outcome === "done") this.#length = length;
    else chargeBytes(this.#binding.account, -growth);
    return hostStatus(outcome);
  }
}

/** The status for what a host answered. */
export function hostStatus(outcome: HostOutcome): NtStatus {
  switch (outcome) {
    case "done":
      return STATUS_SUCCESS;
    case "denied":
      return STATUS_ACCESS_DENIED;
    case "exists":
      return STATUS_OBJECT_NAME_COLLISION;
    case "missing":
      return STATUS_OBJECT_NAME_NOT_FOUND;
    case "not-empty":
      return STATUS_DIRECTORY_NOT_EMPTY;
    case "full":
      return STATUS_DISK_FULL;
    case "failed":
      return STATUS_UNEXPECTED_IO_ERROR;
  }
}

function copyOut(bytes: Uint8Array, offset: number, target: Uint8Array): number {
  if (offset >= bytes.length) return 0;
  const part = bytes.subarray(offset, offset + target.length);
  target.set(part);
  return part.length;
}
