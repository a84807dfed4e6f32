/**
 * Writes the little-endian structures that information services hand to user mode. Values are appended in order;
 * offsets that depend on what follows are patched afterwards.
 */

/** A structure under construction. It grows as needed and starts out zeroed. */
export class StructWriter {
  #view: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(64));
  #length = 0;

  /** Bytes written so far, which is also the offset of the next value. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** A 64-bit value; numbers are taken as non-negative integers. */
  u64(value: bigint | number): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
    return this;
  }

  /** UTF-16 code units, without a terminator. */
  utf16(text: string): this {
    const at = this.#reserve(text.length * 2);
    for (let index = 0; index < text.length; index++)
      this.#view.setUint16(at + index * 2, text.charCodeAt(index), true);
    return this;
  }

  zeros(count: number): this {
    this.#reserve(count);
    return this;
  }

  /** Pads with zeros to a multiple of `alignment`. */
  align(alignment: number): this {
    this.#reserve((alignment - (this.#length % alignment)) % alignment);
    return this;
  }

  /** Overwrites a value that was written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.#view.buffer.slice(0, this.#length));
  }

  #reserve(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#view.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length, this.#view.byteLength * 2));
      grown.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Bytes of `text` in UTF-16. */
export function utf16Bytes(text: string): Uint8Array {
  return new StructWriter().utf16(text).finish();
}
