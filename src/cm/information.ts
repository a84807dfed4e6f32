/**
 * The structures that the registry's queries answer with, in the layouts that user mode reads. Each is built in full;
 * how much of it reaches the caller's buffer is decided elsewhere, from the fixed part's length that goes with it.
 */
import { failure, type NtResult, STATUS_INVALID_PARAMETER, success } from "../abi/status.ts";
import { StructWriter } from "../se/structure.ts";
import type { RegistryKey, RegistryValue } from "./node.ts";

/** `KEY_INFORMATION_CLASS`. */
const KeyInformationClass = { Basic: 0, Node: 1, Full: 2, Name: 3, Cached: 4 } as const;
/** `KEY_VALUE_INFORMATION_CLASS`. */
const KeyValueInformationClass = { Basic: 0, Full: 1, Partial: 2, FullAlign64: 3, PartialAlign64: 4 } as const;

/** A structure in full, and how much of it any buffer must hold. */
export interface KeyInformation {
  readonly bytes: Uint8Array;
  readonly fixedLength: number;
}

/** @returns INVALID_PARAMETER for unknown classes */
export function keyInformation(
  key: RegistryKey,
  { informationClass }: { readonly informationClass: number },
): NtResult<KeyInformation> {
  const writer = new StructWriter();
  const { name, className } = key;
  switch (informationClass) {
    case KeyInformationClass.Basic:
      writer
        .u64(key.lastWriteTime)
        .u32(0)
        .u32(name.length * 2)
        .utf16(name);
      return finish(writer, 16);
    case KeyInformationClass.Node:
      writer
        .u64(key.lastWriteTime)
        .u32(0)
        .u32(classOffset(24 + name.length * 2, className));
      writer
        .u32(className.length * 2)
        .u32(name.length * 2)
        .utf16(name);
      if (className !== "") writer.align(4).utf16(className);
      return finish(writer, 24);
    case KeyInformationClass.Full:
      writer
        .u64(key.lastWriteTime)
        .u32(0)
        .u32(classOffset(44, className))
        .u32(className.length * 2);
      writeCounts(writer, key, { classes: true });
      writer.utf16(className);
      return finish(writer, 44);
    case KeyInformationClass.Name:
      writer.u32(key.path.length * 2).utf16(key.path);
      return finish(writer, 4);
    case KeyInformationClass.Cached:
      writer.u64(key.lastWriteTime).u32(0);
      writeCounts(writer, key, { classes: false });
      writer.u32(name.length * 2).align(8);
      return finish(writer, 40);
    default:
      return failure(STATUS_INVALID_PARAMETER);
  }
}

/** Where the class lies; -1 if there is none. */
function classOffset(end: number, className: string): number {
  return className === "" ? 0xffffffff : (end + 3) & ~3;
}

/** Numbers of subkeys and values, and the lengths in bytes of the longest of each. */
function writeCounts(writer: StructWriter, key: RegistryKey, options: { readonly classes: boolean }): void {
  const children = [...key.children.values()];
  const values = [...key.values.values()];
  writer.u32(children.length).u32(longest(children.map((child) => child.name.length * 2)));
  if (options.classes) writer.u32(longest(children.map((child) => child.className.length * 2)));
  writer.u32(values.length).u32(longest(values.map((value) => value.name.length * 2)));
  writer.u32(longest(values.map((value) => value.data.length)));
}

function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, length) => Math.max(most, length), 0);
}

/** @returns INVALID_PARAMETER for unknown classes */
export function valueInformation(
  value: RegistryValue,
  { informationClass }: { readonly informationClass: number },
): NtResult<KeyInformation> {
  const writer = new StructWriter();
  const { name, type, data } = value;
  switch (informationClass) {
    case KeyValueInformationClass.Basic:
      writer
        .u32(0)
        .u32(type)
        .u32(name.length * 2)
        .utf16(name);
      return finish(writer, 12);
    case KeyValueInformationClass.Full:
    case KeyValueInformationClass.FullAlign64: {
      const alignment = informationClass === KeyValueInformationClass.Full ? 4 : 8;
      const dataOffset = Math.ceil((20 + name.length * 2) / alignment) * alignment;
      writer
        .u32(0)
        .u32(type)
        .u32(dataOffset)
        .u32(data.length)
        .u32(name.length * 2);
      writer.utf16(name).align(alignment).bytes(data);
      return finish(writer, 20);
    }
    case KeyValueInformationClass.Partial:
      writer.u32(0).u32(type).u32(data.length).bytes(data);
      return finish(writer, 12);
    case KeyValueInformationClass.PartialAlign64:
      writer.u32(type).u32(data.length).bytes(data);
      return finish(writer, 8);
    default:
      return failure(STATUS_INVALID_PARAMETER);
  }
}

function finish(writer: StructWriter, fixedLength: number): NtResult<KeyInformation> {
  return success({ bytes: writer.finish(), fixedLength });
}
