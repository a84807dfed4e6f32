/** The file services as scripted programs call them: what a driver's device, or a file of a volume, is used through. */
import { OBJ_CASE_INSENSITIVE } from "../../abi/ob.ts";
import { SYNCHRONIZE } from "../../abi/ps.ts";
import { type NtResult, type NtStatus, success } from "../../abi/status.ts";
import {
  CreateDisposition,
  FILE_READ_DATA,
  FILE_SHARE_READ,
  FILE_SHARE_WRITE,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FILE_WRITE_DATA,
} from "../../io/constants.ts";
import { NtCancelIoFile, NtDeviceIoControlFile } from "../../io/control.ts";
import { NtCreateFile } from "../../io/createfile.ts";
import { NtReadFile, NtWriteFile } from "../../io/readwrite.ts";
import type { CompletionOptions, IoResult } from "../../io/request.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Script } from "./context.ts";
import { service } from "./service.ts";

/** How a script opens a file. */
export interface ScriptOpenOptions {
  /** Requests answer PENDING and go on; the file's handle, or an event, is waited for instead. */
  readonly asynchronous?: boolean;
}

/** A control request: its code, its input, and room for its output in bytes. */
export interface ScriptControl {
  readonly code: number;
  readonly input: Uint8Array;
  readonly outputLength: number;
}

/** How a script hears of the end of a request on an asynchronous file. */
export interface ScriptIoOptions {
  /** Handle of an event. */
  readonly event?: number;
  /** Told how the request ended, in the thread that made it. */
  readonly ended?: (status: NtStatus, output: Uint8Array | null) => void;
}

/** What a script may do with files. Paths are NT's: `\\Device\\X`, or `\\??\\X` for what a program writes as `\\.\X`. */
export interface ScriptFileServices {
  readonly NtOpenFile: (path: string, options?: ScriptOpenOptions) => Script<NtResult<number>>;
  readonly NtReadFile: (handle: number, length: number, options?: ScriptIoOptions) => Script<IoResult>;
  readonly NtWriteFile: (handle: number, bytes: Uint8Array, options?: ScriptIoOptions) => Script<IoResult>;
  readonly NtDeviceIoControlFile: (
    handle: number,
    control: ScriptControl,
    options?: ScriptIoOptions,
  ) => Script<IoResult>;
  readonly NtCancelIoFile: (handle: number) => Script<NtStatus>;
}

function* open(k: Kernel, path: string, options: ScriptOpenOptions): Blocking<NtResult<number>> {
  const created = yield* NtCreateFile(k, {
    desiredAccess: FILE_READ_DATA | FILE_WRITE_DATA | SYNCHRONIZE,
    attributes: { rootDirectory: 0, name: path, attributes: OBJ_CASE_INSENSITIVE },
    fileAttributes: 0,
    shareAccess: FILE_SHARE_READ | FILE_SHARE_WRITE,
    disposition: CreateDisposition.Open,
    options: options.asynchronous === true ? 0 : FILE_SYNCHRONOUS_IO_NONALERT,
  });
  return created.ok ? success(created.value.handle) : created;
}

function completionOf({ event, ended }: ScriptIoOptions): CompletionOptions {
  return {
    event: event ?? 0,
    writeBack: ended === undefined ? null : (_k, irp) => ended(irp.status, irp.output),
  };
}

export const fileServices: ScriptFileServices = {
  NtOpenFile: service("NtOpenFile", (k, path: string, options: ScriptOpenOptions = {}) => open(k, path, options)),
  NtReadFile: service("NtReadFile", (k, handle: number, length: number, options: ScriptIoOptions = {}) =>
    NtReadFile(k, handle, { length, byteOffset: 0n, ...completionOf(options) }),
  ),
  NtWriteFile: service("NtWriteFile", (k, handle: number, bytes: Uint8Array, options: ScriptIoOptions = {}) =>
    NtWriteFile(k, handle, { bytes, byteOffset: 0n, ...completionOf(options) }),
  ),
  NtDeviceIoControlFile: service(
    "NtDeviceIoControlFile",
    (k, handle: number, control: ScriptControl, options: ScriptIoOptions = {}) =>
      NtDeviceIoControlFile(k, handle, { ...control, ...completionOf(options) }),
  ),
  NtCancelIoFile: service("NtCancelIoFile", NtCancelIoFile),
};
