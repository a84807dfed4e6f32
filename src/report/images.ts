/**
 * Which image lies where in which process, as the record tells it, so that an address becomes `image+0xoffset`.
 *
 * Invariant: the images of a process are sorted by base and do not overlap. A process is forgotten when it is deleted,
 * since its id may come back.
 */
import type { KernelEvent } from "../sim/record.ts";

/** An address in terms of the image that holds it. */
export interface ImageLocation {
  readonly image: string;
  readonly offset: number;
}

/** Says where an address of a process lies; null if in no image. */
export type Locator = (pid: number, address: number) => ImageLocation | null;

interface MappedImage {
  readonly base: number;
  readonly size: number;
  readonly name: string;
}

/** Images kept for one process; a program that maps more has the rest reported as bare addresses. */
const MAXIMUM_IMAGES = 1024;

export class ImageMap {
  private readonly processes: Map<number, MappedImage[]> = new Map<number, MappedImage[]>();

  readonly locate: Locator = (pid, address) => {
    const images = this.processes.get(pid);
    if (images === undefined) return null;
    const image = images[firstAbove(images, address) - 1];
    if (image === undefined || address - image.base >= image.size) return null;
    return { image: image.name, offset: address - image.base };
  };

  consume(event: KernelEvent): void {
    if (event.kind === "image-mapped") this.map(event.pid, event);
    else if (event.kind === "image-unmapped") this.unmap(event.pid, event.base);
    else if (event.kind === "process-deleted") this.processes.delete(event.pid);
  }

  private map(pid: number, { base, size, name }: MappedImage): void {
    let images = this.processes.get(pid);
    if (images === undefined) {
      images = [];
      this.processes.set(pid, images);
    }
    if (images.length >= MAXIMUM_IMAGES) return;
    images.splice(firstAbove(images, base), 0, { base, size, name: baseName(name) });
  }

  private unmap(pid: number, base: number): void {
    const images = this.processes.get(pid);
    const index = images?.findIndex((image) => image.base === base) ?? -1;
    if (index >= 0) images?.splice(index, 1);
  }
}

/** Last component of a Windows or NT path. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("\\"), path.lastIndexOf("/")) + 1);
}

/** Index of the first image that begins above `address`. */
function firstAbove(images: readonly MappedImage[], address: number): number {
  let low = 0;
  let high = images.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((images[middle]?.base ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
