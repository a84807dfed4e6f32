/**
 * The seam between the kernel and a processor: guest-physical memory, the paging hooks of one processor, and the trap
 * that ends a stay in user mode. The kernel knows x86 page tables; it does not know what interprets them.
 */

/** Guest-physical memory and the paging state that the kernel drives. */
export interface GuestRam {
  /**
   * The bytes of physical memory, as far as frames were ever handed out and perhaps further. Replaced when the host's
   * memory grows: read the property afresh after anything that may have run the guest or taken a frame, and never keep it.
   */
  readonly u8: Uint8Array;
  /** The same bytes as little-endian words; same caution. */
  readonly i32: Int32Array;
  /** Size in bytes. */
  readonly byteLength: number;
  /** The first page frame number that the kernel may hand out; below it lies the processor's own supervisor area. */
  readonly firstFreeFrame: number;
  /**
   * One past the highest page frame that was ever handed out: what lies behind was never written. Must be raised before
   * a frame is used.
   */
  framesInUse: number;
  /** Value of page-directory slot 1023 in every address space: maps the processor's supervisor area. */
  readonly supervisorPde: number;
  /** Must be called after the kernel wrote bytes that a guest may execute. `frame` is a page frame number. */
  invalidateCode(frame: number): void;
  /** Forgets the translation of one virtual address in the current address space (after unmap, protect, copy-on-write). */
  invalidatePage(address: number): void;
  /** Forgets all translations of the current address space. */
  flushTranslations(): void;
  /** Switches the address space: `directory` is the physical address of its page directory. */
  setPageDirectory(directory: number): void;
}

/** First byte of the processor's supervisor area; nothing at or above it is ever user memory. */
export const SUPERVISOR_BASE = 0xffc00000;
