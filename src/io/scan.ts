/**
 * `NtQueryDirectoryFile`. The pattern of the first query holds for the life of the open. A scan goes over the directory
 * as it was when it began (or was restarted) and leaves out what has gone since, so a program may delete what it lists.
 */
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MORE_FILES,
  STATUS_NO_SUCH_FILE,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { StructWriter } from "../se/structure.ts";
import type { Blocking } from "../sim/blocking.ts";
import { FILE_LIST_DIRECTORY } from "./constants.ts";
import type { FileObject } from "./file.ts";
import { allocationOf, type InformationResult, writeTimes } from "./fileinfo.ts";
import { isNameInExpression, matchesEverything } from "./name.ts";
import { FsDirectory, type FsNode } from "./node.ts";
import { IoFileObjectType } from "./openfile.ts";

/** One name of a listing. */
interface ScanEntry {
  readonly name: string;
  readonly node: FsNode;
}

/** A listing in progress. */
export interface DirectoryScan {
  readonly pattern: string;
  entries: readonly ScanEntry[];
  next: number;
  /** Whether an entry was ever returned; decides how an empty answer is called. */
  matched: boolean;
}

/** `FILE_INFORMATION_CLASS` of listings. */
const DirectoryClass = { Directory: 1, Full: 2, Both: 3, Names: 12, IdBoth: 37, IdFull: 38 } as const;

/** Bytes in front of the name, by class. */
const NAME_OFFSETS: ReadonlyMap<number, number> = new Map([
  [DirectoryClass.Directory, 64],
  [DirectoryClass.Full, 68],
  [DirectoryClass.Both, 94],
  [DirectoryClass.Names, 12],
  [DirectoryClass.IdBoth, 104],
  [DirectoryClass.IdFull, 80],
]);

/** Arguments of {@link NtQueryDirectoryFile}. */
export interface DirectoryArguments {
  readonly informationClass: number;
  readonly length: number;
  readonly singleEntry: boolean;
  readonly restart: boolean;
  /** DOS wildcards; null or empty for everything. Only the first query of an open looks at it. */
  readonly pattern: string | null;
}

/**
 * Lists a directory.
 * @returns NO_SUCH_FILE if nothing ever matched, NO_MORE_FILES at the end, BUFFER_OVERFLOW with a cut name
 */
export function* NtQueryDirectoryFile(
  k: Kernel,
  handle: number,
  args: DirectoryArguments,
): Blocking<NtResult<InformationResult>> {
  const nameOffset = NAME_OFFSETS.get(args.informationClass);
  if (nameOffset === undefined) return failure(STATUS_INVALID_INFO_CLASS);
  if (args.length < nameOffset + 2) return failure(STATUS_INFO_LENGTH_MISMATCH);
  const type = IoFileObjectType(k);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_LIST_DIRECTORY, type, KeGetPreviousMode(k));
  if (!file.ok) return file;
  const result = queryDirectory(file.value, args, nameOffset);
  yield* ObDereferenceObject(k, file.value);
  return result;
}

function queryDirectory(file: FileObject, args: DirectoryArguments, nameOffset: number): NtResult<InformationResult> {
  const { node } = file;
  if (!(node instanceof FsDirectory)) return failure(STATUS_INVALID_PARAMETER);
  const scan = (file.scan ??= beginScan(node, args.pattern ?? ""));
  if (args.restart) {
    scan.entries = listMatching(node, scan.pattern);
    scan.next = 0;
  }
  const writer = new StructWriter();
  let lastEntry = 0;
  let status: NtStatus = STATUS_SUCCESS;
  while (scan.next < scan.entries.length) {
    const entry = scan.entries[scan.next];
    if (entry === undefined || entry.node.removed) {
      scan.next++;
      continue;
    }
    const first = writer.length === 0;
    const at = alignUp(writer.length);
    const room = args.length - at - nameOffset;
    const nameBytes = entry.name.length * 2;
    if (room < nameBytes && !first) break;
    writer.align(8);
    if (!first) writer.patchU32(lastEntry, at - lastEntry);
    lastEntry = at;
    writeEntry(writer, args.informationClass, entry, Math.min(nameBytes, room & ~1));
    scan.next++;
    if (room < nameBytes) status = STATUS_BUFFER_OVERFLOW;
    if (args.singleEntry || status !== STATUS_SUCCESS) break;
  }
  if (writer.length === 0) return failure(scan.matched ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE);
  scan.matched = true;
  return success({ status, bytes: writer.finish() });
}

function alignUp(length: number): number {
  return (length + 7) & ~7;
}

function beginScan(directory: FsDirectory, pattern: string): DirectoryScan {
  return { pattern, entries: listMatching(directory, pattern), next: 0, matched: false };
}

function listMatching(directory: FsDirectory, pattern: string): ScanEntry[] {
  const entries: ScanEntry[] = directory.list().map((node) => ({ name: node.name, node }));
  // The root of a volume has no parent to list.
  if (directory.parent !== null) {
    entries.unshift({ name: ".", node: directory }, { name: "..", node: directory.parent });
  }
  if (matchesEverything(pattern)) return entries;
  return entries.filter((entry) => isNameInExpression(pattern, entry.name));
}

/** One entry with the first `nameBytes` bytes of its name; the offset to the next one is patched in later. */
function writeEntry(writer: StructWriter, informationClass: number, entry: ScanEntry, nameBytes: number): void {
  const { name, node } = entry;
  writer.u32(0).u32(0);
  if (informationClass !== DirectoryClass.Names) {
    writeTimes(writer, node);
    writer.u64(node.length).u64(allocationOf(node)).u32(node.reportedAttributes);
  }
  writer.u32(name.length * 2);
  writeClassSpecific(writer, informationClass, node);
  writer.utf16(name.slice(0, nameBytes / 2));
}

/** What stands between the length of the name and the name: sizes, the short name that no file has, the id. */
function writeClassSpecific(writer: StructWriter, informationClass: number, node: FsNode): void {
  switch (informationClass) {
    case DirectoryClass.Full:
      writer.u32(0);
      return;
    case DirectoryClass.Both:
      writer.u32(0).zeros(26);
      return;
    case DirectoryClass.IdBoth:
      writer.u32(0).zeros(26).zeros(2).u64(node.fileId);
      return;
    case DirectoryClass.IdFull:
      writer.u32(0).zeros(4).u64(node.fileId);
      return;
    default:
  }
}
