/**
 * Section objects (`NtCreateSection`): memory that several processes can map. Backed by nothing but memory, by the bytes
 * of a file, or by a program image.
 *
 * Invariants: a section counts as one reference of its segment until it is deleted; every view of it holds a reference
 * on the section; the section holds one on its file.
 */
import {
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_NOCACHE,
  PAGE_SIZE,
  SEC_BASED,
  SEC_COMMIT,
  SEC_FILE,
  SEC_IMAGE,
  SEC_NOCACHE,
  SEC_RESERVE,
  SECTION_ALL_ACCESS,
  STATUS_MAPPED_FILE_SIZE_ZERO,
  STATUS_SECTION_NOT_IMAGE,
} from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_COMMITMENT_LIMIT,
  STATUS_INVALID_FILE_FOR_SECTION,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_6,
  STATUS_SECTION_TOO_BIG,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject, ObCreateObjectType } from "../ob/create.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { chargeMachineCommit, returnMachineCommit } from "./commit.ts";
import type { ImageInformation, SharedImage } from "./image.ts";
import { isValidProtection, isWritable } from "./protection.ts";
import { type ByteSource, dereferenceSegment, pagesFor, referenceSegment, Segment } from "./segment.ts";

/** `SECTION`. */
export class SectionObject extends ObjectBody {
  readonly segment: Segment;
  /** Protection that the creator asked for: what views may at most have. */
  readonly protection: number;
  /** `SEC_*`. */
  readonly attributes: number;
  readonly sizeBytes: number;
  readonly file: ObjectBody | null;
  /** Path of the file, for queries and reports. */
  readonly fileName: string;

  constructor(id: number, segment: Segment, init: Omit<SectionInit, "segment">) {
    super(id);
    this.segment = segment;
    this.protection = init.protection;
    this.attributes = init.attributes;
    this.sizeBytes = init.sizeBytes;
    this.file = init.file;
    this.fileName = init.fileName;
  }
}

interface SectionInit {
  readonly segment: Segment;
  readonly protection: number;
  readonly attributes: number;
  readonly sizeBytes: number;
  readonly file: ObjectBody | null;
  readonly fileName: string;
}

/** A section mapped into a region. */
export interface SectionView {
  readonly section: SectionObject;
  readonly segment: Segment;
  /** Page of the segment behind the first page of the region. */
  readonly firstPage: number;
}

/** The file behind a section. */
export interface SectionFile {
  /** The file object; the section references it. Null for a file that has none, such as the built-in ntdll. */
  readonly object: ObjectBody | null;
  readonly name: string;
  /** Sections over files with the same identity share their pages; null shares nothing. */
  readonly identity: string | null;
  /** The file's bytes, for a data section. */
  readonly source?: ByteSource;
  /** The parsed image, for SEC_IMAGE; or why it is none. */
  readonly image?: NtResult<SharedImage>;
}

export interface CreateSectionArguments {
  /** Bytes; 0 takes the size of the file. */
  readonly maximumSize: number;
  readonly protection: number;
  readonly attributes: number;
  readonly file: SectionFile | null;
}

/** Sections and views lie below 2 GiB, so nothing larger can be of use; NT's own limit depends on its pool. */
const LARGEST_SECTION = 0x80000000;
const SECTION_POOL_BYTES = 96;
const LEGAL_ATTRIBUTES = SEC_COMMIT | SEC_RESERVE | SEC_IMAGE | SEC_NOCACHE | SEC_BASED | SEC_FILE;

/** Creates a section that is in no table yet, with one reference.
 * @returns INVALID_PARAMETER_6, INVALID_PAGE_PROTECTION: senseless attributes or protection; INVALID_PARAMETER_4,
 * SECTION_TOO_BIG, MAPPED_FILE_SIZE_ZERO: the size; INVALID_FILE_FOR_SECTION, ACCESS_DENIED or the parser's status: the
 * file; COMMITMENT_LIMIT, INSUFFICIENT_RESOURCES: no room
 */
export function MmCreateSection(k: Kernel, args: CreateSectionArguments): NtResult<SectionObject> {
  const illegal = checkArguments(args);
  if (illegal !== STATUS_SUCCESS) return failure(illegal);
  if ((args.attributes & SEC_IMAGE) !== 0) return createImageSection(k, args);
  return args.file === null ? createMemorySection(k, args) : createFileSection(k, args, args.file);
}

/** Deletes the section: its segment and its file lose a user. The type's delete procedure. */
function* MmDeleteSection(k: Kernel, section: SectionObject): Blocking<void> {
  dereferenceSegment(k, section.segment);
  if (section.file !== null) yield* ObDereferenceObject(k, section.file);
}

/** `SectionImageInformation`. @returns SECTION_NOT_IMAGE for any other section */
export function MmGetImageInformation(section: SectionObject): NtResult<ImageInformation> {
  const { image } = section.segment;
  return image === null ? failure(STATUS_SECTION_NOT_IMAGE) : success(image.information);
}

/** `SECTION_BASIC_INFORMATION`. */
export interface SectionBasicInformation {
  readonly base: number;
  readonly attributes: number;
  readonly sizeBytes: number;
}

export function MmQuerySection(section: SectionObject): SectionBasicInformation {
  const backing = section.file === null && section.segment.source === null ? 0 : SEC_FILE;
  return { base: 0, attributes: section.attributes | backing, sizeBytes: section.sizeBytes };
}

/** Makes the Section type; once, before the first section. */
export function createSectionType(k: Kernel): void {
  k.mm.sectionType = ObCreateObjectType<SectionObject>(k, {
    name: "Section",
    validAccess: 0x1f001f,
    genericMapping: { read: 0x20005, write: 0x20002, execute: 0x20008, all: SECTION_ALL_ACCESS },
    poolBytes: SECTION_POOL_BYTES,
    deleteProcedure: MmDeleteSection,
  });
}

function checkArguments(args: CreateSectionArguments): NtStatus {
  const { attributes, protection } = args;
  const kind = attributes & (SEC_COMMIT | SEC_RESERVE | SEC_IMAGE);
  if ((attributes & ~LEGAL_ATTRIBUTES) !== 0) return STATUS_INVALID_PARAMETER_6;
  if (kind === 0 || (kind & (kind - 1)) !== 0) return STATUS_INVALID_PARAMETER_6;
  if (kind === SEC_IMAGE && (attributes & (SEC_NOCACHE | SEC_BASED)) !== 0) return STATUS_INVALID_PARAMETER_6;
  if ((protection & (PAGE_GUARD | PAGE_NOACCESS | PAGE_NOCACHE)) !== 0) return STATUS_INVALID_PAGE_PROTECTION;
  if (!isValidProtection(protection)) return STATUS_INVALID_PAGE_PROTECTION;
  return kind === SEC_IMAGE && args.file === null ? STATUS_INVALID_FILE_FOR_SECTION : STATUS_SUCCESS;
}

function createImageSection(k: Kernel, args: CreateSectionArguments): NtResult<SectionObject> {
  const { file } = args;
  if (file?.image === undefined) return failure(STATUS_INVALID_FILE_FOR_SECTION);
  if (!file.image.ok) return failure(file.image.status);
  const image = file.image.value;
  const cached = file.identity === null ? undefined : k.mm.images.get(file.identity);
  const segment = cached ?? new Segment({ pageCount: image.pageCount, image, identity: file.identity });
  const size = image.pageCount * PAGE_SIZE;
  const section = createSection(k, args, { segment, sizeBytes: size, file });
  if (section.ok && cached === undefined && file.identity !== null) k.mm.images.set(file.identity, segment);
  return section;
}

function createMemorySection(k: Kernel, args: CreateSectionArguments): NtResult<SectionObject> {
  const { maximumSize } = args;
  if (maximumSize <= 0) return failure(STATUS_INVALID_PARAMETER_4);
  if (maximumSize > LARGEST_SECTION) return failure(STATUS_SECTION_TOO_BIG);
  const pageCount = pagesFor(maximumSize);
  const reserve = (args.attributes & SEC_RESERVE) !== 0;
  const segment = new Segment({ pageCount, reserve });
  const charge = reserve ? 0 : pageCount;
  if (!chargeMachineCommit(k, charge)) return failure(STATUS_COMMITMENT_LIMIT);
  segment.chargedPages = charge;
  const section = createSection(k, args, { segment, sizeBytes: pageCount * PAGE_SIZE, file: null });
  if (!section.ok) returnMachineCommit(k, charge);
  return section;
}

function createFileSection(k: Kernel, args: CreateSectionArguments, file: SectionFile): NtResult<SectionObject> {
  const { source } = file;
  if (source === undefined) return failure(STATUS_INVALID_FILE_FOR_SECTION);
  if (isWritable(args.protection) && source.write === undefined) return failure(STATUS_ACCESS_DENIED);
  const sizeBytes = args.maximumSize === 0 ? source.length : args.maximumSize;
  if (sizeBytes === 0) return failure(STATUS_MAPPED_FILE_SIZE_ZERO);
  // A section never makes its file longer: the files of a machine have the length that the program gave them.
  if (sizeBytes > source.length || sizeBytes > LARGEST_SECTION) return failure(STATUS_SECTION_TOO_BIG);
  const known = file.identity === null ? undefined : k.mm.files.get(file.identity);
  const segment = known ?? new Segment({ pageCount: pagesFor(sizeBytes), source, identity: file.identity });
  const section = createSection(k, args, { segment, sizeBytes, file });
  if (!section.ok) return section;
  segment.pageCount = Math.max(segment.pageCount, pagesFor(sizeBytes));
  if (source.write !== undefined) segment.source = source;
  if (file.identity !== null) k.mm.files.set(file.identity, segment);
  return section;
}

function createSection(
  k: Kernel,
  args: CreateSectionArguments,
  parts: { readonly segment: Segment; readonly sizeBytes: number; readonly file: SectionFile | null },
): NtResult<SectionObject> {
  const { segment, sizeBytes, file } = parts;
  const { protection, attributes } = args;
  const object = file?.object ?? null;
  const init = { protection, attributes, sizeBytes, file: object, fileName: file?.name ?? "" };
  const section = new SectionObject(newObjectId(k), segment, init);
  const { sectionType } = k.mm;
  assert(sectionType !== null, "MmInitSystem ran before the first section is made");
  const status = ObCreateObject(k, sectionType, section);
  if (status !== STATUS_SUCCESS) return failure(status);
  referenceSegment(k, segment);
  if (object !== null) ObReferenceObject(object);
  return success(section);
}
