/** The I/O manager's part of booting: object types, devices, and what the drives hold. */
import { READ_CONTROL } from "../abi/ob.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import {
  type NtStatus,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import { createPermanentLink } from "../ob/namespace.ts";
import { assert } from "../rtl/assert.ts";
import { IopCloseFile, IopDeleteFile } from "./cleanup.ts";
import {
  deleteCompletionPort,
  IO_COMPLETION_ALL_ACCESS,
  IO_COMPLETION_MODIFY_STATE,
  IO_COMPLETION_QUERY_STATE,
  type IoCompletionPort,
} from "./completionport.ts";
import { FILE_ALL_ACCESS, FILE_DEVICE_DISK, FILE_GENERIC_MAPPING } from "./constants.ts";
import { FixedContent } from "./content.ts";
import { type DeviceObject, IoCreateDevice, IoCreateSymbolicLink } from "./device.ts";
import type { FileObject } from "./file.ts";
import { fileSystemDispatch } from "./filesystem.ts";
import type { HostDirectory } from "./hostdirectory.ts";
import { FsDirectory, FsFile, type FsNode } from "./node.ts";
import { IopParseDevice, IopParseFile } from "./openfile.ts";
import { splitPath } from "./path.ts";
import {
  createAbsentDevices,
  createNullDevice,
  InputBuffer,
  type InputSource,
  IoCreateStreamDevice,
  type OutputSink,
} from "./stream.ts";
import { Volume } from "./volume.ts";

/** Makes the object types and the devices that every machine has. Runs once, while the machine boots. */
export function IoInitSystem(k: Kernel): void {
  k.io.fileType = ObCreateObjectType<FileObject>(k, {
    name: "File",
    validAccess: FILE_ALL_ACCESS,
    genericMapping: FILE_GENERIC_MAPPING,
    poolBytes: 0x98,
    deleteProcedure: IopDeleteFile,
    closeProcedure: IopCloseFile,
    parseProcedure: IopParseFile,
    defaultObject: (file) => file.event,
  });
  k.io.deviceType = ObCreateObjectType<DeviceObject>(k, {
    name: "Device",
    validAccess: FILE_ALL_ACCESS,
    genericMapping: FILE_GENERIC_MAPPING,
    poolBytes: 0xb8,
    parseProcedure: IopParseDevice,
  });
  k.io.completionType = ObCreateObjectType<IoCompletionPort>(k, {
    name: "IoCompletion",
    validAccess: IO_COMPLETION_ALL_ACCESS,
    genericMapping: {
      read: READ_CONTROL | IO_COMPLETION_QUERY_STATE,
      write: READ_CONTROL | IO_COMPLETION_MODIFY_STATE,
      execute: READ_CONTROL | SYNCHRONIZE,
      all: IO_COMPLETION_ALL_ACCESS,
    },
    poolBytes: 0x28,
    // eslint-disable-next-line require-yield
    deleteProcedure: function* (machine, port) {
      deleteCompletionPort(machine, port);
    },
    defaultObject: (port) => port,
  });
  createNullDevice(k);
  createAbsentDevices(k);
  IoCreateSymbolicLink(k, "NUL", "\\Device\\Null");
  IoCreateSymbolicLink(k, "PIPE", "\\Device\\NamedPipe");
  IoCreateSymbolicLink(k, "MAILSLOT", "\\Device\\Mailslot");
  IoCreateSymbolicLink(k, "UNC", "\\Device\\Mup");
}

/** Where the standard handles lead. */
export interface StandardStreams {
  readonly input: InputSource;
  readonly output: OutputSink;
  readonly error: OutputSink;
}

/** Paths under which the standard handles are opened. */
export const STANDARD_INPUT_PATH = "\\Device\\StandardInput";
export const STANDARD_OUTPUT_PATH = "\\Device\\StandardOutput";
export const STANDARD_ERROR_PATH = "\\Device\\StandardError";

/** Makes the devices of the standard handles and the console names that lead to them. */
export function IoCreateStandardStreams(k: Kernel, streams: StandardStreams): void {
  // One buffer serves both devices: what the console read, the standard input has no more.
  const input = new InputBuffer(streams.input);
  IoCreateStreamDevice(k, "StandardInput", { input });
  IoCreateStreamDevice(k, "StandardOutput", { sink: streams.output });
  IoCreateStreamDevice(k, "StandardError", { sink: streams.error });
  IoCreateStreamDevice(k, "Console", { input, sink: streams.output });
  IoCreateSymbolicLink(k, "CONIN$", "\\Device\\Console");
  IoCreateSymbolicLink(k, "CONOUT$", "\\Device\\Console");
  IoCreateSymbolicLink(k, "CON", "\\Device\\Console");
}

/** Makes an empty volume in memory. The first one holds the system: `\SystemRoot` leads to its `\windows`. */
export function IoCreateVolume(k: Kernel, init: { readonly letter: string; readonly label: string }): Volume {
  const number = k.io.volumes.length + 1;
  const volume = new Volume({
    number,
    label: init.label,
    time: KeQuerySystemTime(k),
    bytesLimit: k.io.volumeBytes,
    nodesLimit: k.io.volumeFiles,
  });
  k.io.volumes.push(volume);
  const path = `HarddiskVolume${String(number)}`;
  const device = IoCreateDevice(k, path, { deviceType: FILE_DEVICE_DISK, dispatch: fileSystemDispatch, volume });
  assert(device.ok, "a volume is made while the machine boots, when there is pool for it");
  IoCreateSymbolicLink(k, `${init.letter}:`, `\\Device\\${path}`);
  if (number === 1) createPermanentLink(k, k.ob.rootDirectory, "SystemRoot", `\\Device\\${path}\\windows`);
  return volume;
}

/** The directory at `path` (`\windows\system32`), made with everything above it if need be; null for bad names. */
export function IoMakeDirectory(k: Kernel, volume: Volume, path: string): FsDirectory | null {
  const split = splitPath(path);
  if (!split.ok) return null;
  let directory = volume.root;
  for (const name of split.value.components) {
    const existing = directory.get(name);
    const next = existing ?? addDirectory(k, volume, directory, name);
    if (!(next instanceof FsDirectory)) return null;
    directory = next;
  }
  return directory;
}

function addDirectory(k: Kernel, volume: Volume, parent: FsDirectory, name: string): FsNode | null {
  if (parent.childMount !== null || !volume.chargeNode()) return null;
  const node = new FsDirectory({ volume, name, parent, mount: null, time: KeQuerySystemTime(k) });
  parent.add(node);
  return node;
}

/**
 * Puts read-only files into a directory. The bytes are not copied and do not count against the volume's quota.
 * @returns OBJECT_NAME_INVALID for bad names, OBJECT_NAME_COLLISION for a name that is there already
 */
export function IoAddFiles(
  k: Kernel,
  volume: Volume,
  path: string,
  files: Iterable<readonly [string, Uint8Array | (() => Uint8Array)]>,
): NtStatus {
  const directory = IoMakeDirectory(k, volume, path);
  if (directory === null || directory.childMount !== null) return STATUS_OBJECT_NAME_INVALID;
  const time = KeQuerySystemTime(k);
  for (const [name, bytes] of files) {
    if (!splitPath(`\\${name}`).ok || name.includes("\\")) return STATUS_OBJECT_NAME_INVALID;
    if (directory.get(name) !== null || !volume.chargeNode()) return STATUS_OBJECT_NAME_COLLISION;
    const file = new FsFile({ volume, name, parent: directory, mount: null, time }, new FixedContent(bytes));
    file.protectedNode = true;
    directory.add(file);
  }
  return STATUS_SUCCESS;
}

/** Bytes that a guest may add to one mounted directory. */
const DEFAULT_MOUNT_BYTES = 4 * 1024 ** 3;

/**
 * Mounts a host's directory, as a directory of `volume` that must not have anything in it yet (`\` for a drive of its
 * own).
 */
export function IoMount(
  k: Kernel,
  volume: Volume,
  path: string,
  mount: { readonly host: HostDirectory; readonly readOnly: boolean; readonly bytesLimit?: number },
): NtStatus {
  const directory = IoMakeDirectory(k, volume, path);
  if (directory === null) return STATUS_OBJECT_NAME_INVALID;
  if (directory.childMount !== null || !directory.isEmpty) return STATUS_OBJECT_NAME_COLLISION;
  const account = { bytesUsed: 0, bytesLimit: mount.bytesLimit ?? DEFAULT_MOUNT_BYTES };
  directory.attachHost(mount.host, { readOnly: mount.readOnly, account });
  return STATUS_SUCCESS;
}
