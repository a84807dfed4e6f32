/** Which image a user address belongs to, for those who tell of images coming and going. */
import { PAGE_SIZE } from "../abi/mm.ts";
import type { MmProcess } from "./process.ts";
import type { SectionObject } from "./section.ts";

/** A mapped image. */
export interface ImageView {
  readonly base: number;
  readonly section: SectionObject;
}

/** The image that `address` lies in, or null. True until the caller waits. */
export function imageViewAt(process: MmProcess, address: number): ImageView | null {
  const space = process.addressSpace;
  if (space === null || space.deleted) return null;
  const vad = space.find(address);
  if (vad === null || vad.view === null || vad.view.segment.image === null) return null;
  return { base: vad.startPage * PAGE_SIZE, section: vad.view.section };
}
