/**
 * A second opinion on memory management: an address space as an array of pages, each of which knows everything about
 * itself. Slow, simple, and written from the rules rather than from the implementation.
 */
import {
  MEM_COMMIT,
  MEM_DECOMMIT,
  MEM_FREE,
  MEM_IMAGE,
  MEM_MAPPED,
  MEM_PRIVATE,
  MEM_RESERVE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  STATUS_ALREADY_COMMITTED,
  STATUS_UNABLE_TO_DELETE_SECTION,
} from "../../src/abi/mm.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_FREE_VM_NOT_AT_BASE,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_MEMORY_NOT_ALLOCATED,
  STATUS_NO_MEMORY,
  STATUS_NOT_COMMITTED,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SECTION_PROTECTION,
  STATUS_SUCCESS,
  STATUS_UNABLE_TO_FREE_VM,
} from "../../src/abi/status.ts";

/** The model knows the first half MiB; callers ask for no more with zero bits. */
export const MODEL_PAGES = 128;
export const MODEL_ZERO_BITS = 13;
const FIRST_PAGE = 16;

/** What a section holds: the first byte of each page. */
export interface ModelSection {
  readonly bytes: number[];
  readonly protection: number;
  /** Protection of each page of an image, with whether writes are shared; null for a data section. */
  readonly image: readonly { readonly protection: number; readonly shared: boolean }[] | null;
}

interface ModelRegion {
  readonly first: number;
  readonly end: number;
  readonly protection: number;
  readonly section: ModelSection | null;
  readonly offset: number;
}

interface ModelPage {
  region: ModelRegion;
  committed: boolean;
  protection: number;
  /** First byte of the process's own copy, if it has one. */
  own: number | null;
  charged: boolean;
}

/** A status, or what a success answers. */
export type Outcome = number | readonly (number | null)[];

export class ModelProcess {
  pages: (ModelPage | null)[] = new Array<ModelPage | null>(MODEL_PAGES).fill(null);

  get charge(): number {
    return this.pages.filter((page) => page?.charged === true).length;
  }

  reserve(base: number, pages: number, type: number, protection: number): Outcome {
    if (protection === PAGE_WRITECOPY) return STATUS_INVALID_PAGE_PROTECTION;
    const room = base === 0 ? this.#search(pages) : this.#take(base, Math.floor(base / 4096) + pages);
    if (typeof room === "number") return room;
    const committed = (type & MEM_COMMIT) !== 0;
    const region = { ...room, protection, section: null, offset: 0 };
    for (let page = region.first; page < region.end; page++) {
      this.pages[page] = { region, committed, protection, own: null, charged: committed };
    }
    return [region.first * 4096, (region.end - region.first) * 4096];
  }

  commit(first: number, end: number, protection: number): Outcome {
    const region = this.pages[first]?.region;
    if (region === undefined || end > region.end) return STATUS_CONFLICTING_ADDRESSES;
    if (region.section !== null) return STATUS_ALREADY_COMMITTED;
    if (protection === PAGE_WRITECOPY) return STATUS_INVALID_PAGE_PROTECTION;
    this.#change(first, end, (page) => {
      page.committed = page.charged = true;
      page.protection = protection;
    });
    return [first * 4096, (end - first) * 4096];
  }

  free(first: number, wantedEnd: number | null, type: number): Outcome {
    const region = this.pages[first]?.region;
    if (region === undefined) return STATUS_MEMORY_NOT_ALLOCATED;
    const end = wantedEnd ?? region.end;
    if (end > region.end) return STATUS_UNABLE_TO_FREE_VM;
    if (wantedEnd === null && first !== region.first) return STATUS_FREE_VM_NOT_AT_BASE;
    if (region.section !== null) return STATUS_UNABLE_TO_DELETE_SECTION;
    if (type === MEM_DECOMMIT) {
      this.#change(first, end, (page) => {
        page.committed = page.charged = false;
        page.own = null;
      });
    } else {
      this.pages.fill(null, first, end);
      this.#reshape(region, region.first, first);
      this.#reshape(region, end, region.end);
    }
    return [first * 4096, (end - first) * 4096];
  }

  protect(first: number, end: number, wanted: number): Outcome {
    const page = this.pages[first];
    if (page === null || page === undefined || end > page.region.end) return STATUS_CONFLICTING_ADDRESSES;
    const { section } = page.region;
    const range = this.pages.slice(first, end);
    if (range.some((other) => other?.committed !== true)) return STATUS_NOT_COMMITTED;
    if (section === null && wanted === PAGE_WRITECOPY) return STATUS_INVALID_PAGE_PROTECTION;
    if (section?.image === null && isReadWrite(wanted) && !isReadWrite(section.protection)) {
      return STATUS_SECTION_PROTECTION;
    }
    const old = reported(page);
    const shared = range.every((_, at) => section?.image?.[first + at - page.region.first]?.shared === true);
    const copies = section !== null && section.image !== null && !shared && isReadWrite(wanted);
    const protection = copies ? PAGE_WRITECOPY | (wanted & PAGE_GUARD) : wanted;
    this.#change(first, end, (other) => {
      other.protection = protection;
      other.charged ||= isWriteCopy(protection);
    });
    return [first * 4096, (end - first) * 4096, old];
  }

  map(base: number, section: ModelSection, offset: number, protection: number, imageBase: number): Outcome {
    const pages = section.bytes.length - offset;
    if (section.image === null && isReadWrite(protection) && !isReadWrite(section.protection)) {
      return STATUS_SECTION_PROTECTION;
    }
    const own = imageBase / 4096;
    const atOwn = section.image !== null && base === 0 && this.#isFree(own, own + pages);
    const from = base / 4096;
    const room = atOwn
      ? { first: own, end: own + pages }
      : base === 0
        ? this.#search(pages)
        : this.#take(base, from + pages);
    if (typeof room === "number") return room;
    const initial = section.image === null ? protection : PAGE_EXECUTE_WRITECOPY;
    const region = { ...room, protection: initial, section, offset };
    for (let page = region.first; page < region.end; page++) {
      const value = section.image?.[page - region.first]?.protection ?? protection;
      this.pages[page] = { region, committed: true, protection: value, own: null, charged: isWriteCopy(value) };
    }
    return [region.first * 4096, pages * 4096];
  }

  unmap(page: number): Outcome {
    const region = this.pages[page]?.region;
    if (region === undefined || region.section === null) return STATUS_NOT_MAPPED_VIEW;
    this.pages.fill(null, region.first, region.end);
    return STATUS_SUCCESS;
  }

  /** @param value what is written; null reads */
  access(at: number, value: number | null): Outcome {
    const page = this.pages[at];
    if (page?.committed !== true) return STATUS_ACCESS_VIOLATION;
    if ((page.protection & PAGE_GUARD) !== 0) {
      page.protection &= ~PAGE_GUARD;
      return STATUS_GUARD_PAGE_VIOLATION;
    }
    if (page.protection === PAGE_NOACCESS) return STATUS_ACCESS_VIOLATION;
    const { section, first, offset } = page.region;
    const index = offset + at - first;
    if (value === null) return [page.own ?? section?.bytes[index] ?? 0];
    if (!isReadWrite(page.protection) && !isWriteCopy(page.protection)) return STATUS_ACCESS_VIOLATION;
    if (section === null || page.own !== null || isWriteCopy(page.protection)) page.own = value;
    else section.bytes[index] = value;
    return [null];
  }

  query(at: number): Outcome {
    const page = this.pages[at];
    if (page === null || page === undefined) {
      const next = this.pages.findIndex((other, index) => index >= at && other !== null);
      return [MEM_FREE, PAGE_NOACCESS, 0, next < 0 ? 0 : (next - at) * 4096, 0];
    }
    const { region } = page;
    const state = (other: ModelPage): number => (other.committed ? reported(other) : 0);
    const differs = this.pages.findIndex((other, index) => {
      return index > at && (other === null || other.region !== region || state(other) !== state(page));
    });
    const end = differs < 0 ? region.end : differs;
    const type = region.section === null ? MEM_PRIVATE : region.section.image === null ? MEM_MAPPED : MEM_IMAGE;
    const committed = page.committed ? MEM_COMMIT : MEM_RESERVE;
    return [committed, state(page), type, (end - at) * 4096, region.protection];
  }

  #isFree(first: number, end: number): boolean {
    return end <= MODEL_PAGES && this.pages.slice(first, end).every((page) => page === null);
  }

  #take(base: number, end: number): { first: number; end: number } | number {
    const first = Math.floor(base / 0x10000) * 16;
    return this.#isFree(first, end) ? { first, end } : STATUS_CONFLICTING_ADDRESSES;
  }

  #search(pages: number): { first: number; end: number } | number {
    for (let first = FIRST_PAGE; first + pages <= MODEL_PAGES; first += 16) {
      // A granule that anybody touches is taken.
      const end = Math.ceil((first + pages) / 16) * 16;
      if (this.#isFree(first, end)) return { first, end: first + pages };
    }
    return STATUS_NO_MEMORY;
  }

  #change(first: number, end: number, change: (page: ModelPage) => void): void {
    for (const page of this.pages.slice(first, end)) if (page !== null) change(page);
  }

  #reshape(region: ModelRegion, first: number, end: number): void {
    const part = { ...region, first, end };
    this.#change(first, end, (page) => {
      page.region = part;
    });
  }
}

function isWriteCopy(protection: number): boolean {
  return (protection & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY)) !== 0;
}

function isReadWrite(protection: number): boolean {
  return (protection & PAGE_READWRITE) !== 0;
}

/** What a query says: a page that has been copied is simply writable. */
function reported(page: ModelPage): number {
  if (page.own === null || page.region.section === null || !isWriteCopy(page.protection)) return page.protection;
  return (page.protection & ~PAGE_WRITECOPY) | PAGE_READWRITE;
}

/** The protections that the random programs use. */
export const PROTECTIONS: readonly number[] = [
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  PAGE_EXECUTE_READ,
  PAGE_READWRITE | PAGE_GUARD,
];
