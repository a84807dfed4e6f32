/**
 * Streams: the standard handles, and the devices that stand beside them. Input is given before the run begins and output
 * goes to the host as it comes, so a stream never waits. Streams look like pipes, which is what console programs that
 * are not on a terminal expect.
 */
import {
  type NtResult,
  type NtStatus,
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_END_OF_FILE,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_NOT_IMPLEMENTED,
  STATUS_PIPE_BROKEN,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { StructWriter } from "../se/structure.ts";
import { FILE_DEVICE_NAMED_PIPE, FILE_DEVICE_NULL, FILE_DEVICE_UNKNOWN } from "./constants.ts";
import { type DeviceDispatch, type DeviceObject, IoCreateDevice } from "./device.ts";
import type { Irp } from "./irp.ts";
import { STATUS_BAD_NETWORK_PATH } from "./status.ts";

/** Receives output. The bytes are its own to keep. */
export type OutputSink = (bytes: Uint8Array) => void;
/** Hands out input piece by piece; null at its end. */
export type InputSource = () => Uint8Array | null;

/** Input that is read in order and can be looked at before it is taken. */
export class InputBuffer {
  readonly #source: InputSource;
  #pending: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: InputSource) {
    this.#source = source;
  }

  /** The bytes that are there; empty only at the end of the input. */
  peek(): Uint8Array {
    while (this.#pending.length === 0 && !this.#ended) {
      const next = this.#source();
      if (next === null) this.#ended = true;
      else this.#pending = next;
    }
    return this.#pending;
  }

  take(count: number): Uint8Array {
    const taken = this.peek().slice(0, count);
    this.#pending = this.#pending.subarray(taken.length);
    return taken;
  }
}

/** A device whose reads come from `input` and whose writes go to `sink`; either may be missing. */
export function IoCreateStreamDevice(
  k: Kernel,
  name: string,
  ends: { readonly input?: InputBuffer; readonly sink?: OutputSink },
): NtResult<DeviceObject> {
  const { sink, input } = ends;
  const dispatch: DeviceDispatch = {
    ...(input === undefined ? {} : { read: (_k, irp) => readStream(input, irp) }),
    ...(sink === undefined ? {} : { write: (machine, irp) => writeStream(machine, sink, irp) }),
    fileSystemControl: (_k, irp) => controlStream(input ?? null, irp),
    flush: () => STATUS_SUCCESS,
  };
  return IoCreateDevice(k, name, { deviceType: FILE_DEVICE_NAMED_PIPE, dispatch });
}

/** The end of the input looks like the other end of a pipe that was closed. */
function readStream(input: InputBuffer, irp: Irp): NtStatus {
  const { length } = irp.parameters;
  irp.output = length === 0 ? new Uint8Array(0) : input.take(length);
  irp.information = irp.output.length;
  return length > 0 && irp.output.length === 0 ? STATUS_PIPE_BROKEN : STATUS_SUCCESS;
}

function writeStream(k: Kernel, sink: OutputSink, irp: Irp): NtStatus {
  const { output } = k.io;
  const { input } = irp.parameters;
  if (output.bytes + input.length > output.limit) {
    output.exceeded = true;
    return STATUS_QUOTA_EXCEEDED;
  }
  output.bytes += input.length;
  if (input.length > 0) sink(input.slice());
  irp.information = input.length;
  return STATUS_SUCCESS;
}

const FSCTL_PIPE_PEEK = 0x11400c;
const FILE_PIPE_CONNECTED_STATE = 3;

function controlStream(input: InputBuffer | null, irp: Irp): NtStatus {
  if (irp.parameters.code !== FSCTL_PIPE_PEEK || input === null) return STATUS_INVALID_DEVICE_REQUEST;
  const room = irp.parameters.length - 16;
  if (room < 0) return STATUS_BUFFER_TOO_SMALL;
  const available = input.peek();
  if (available.length === 0) return STATUS_PIPE_BROKEN;
  const writer = new StructWriter().u32(FILE_PIPE_CONNECTED_STATE).u32(available.length).u32(0).u32(0);
  irp.output = writer.bytes(available.subarray(0, room)).finish();
  irp.information = irp.output.length;
  return available.length > room ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/** `\Device\Null`: takes everything and holds nothing. */
export function createNullDevice(k: Kernel): NtResult<DeviceObject> {
  return IoCreateDevice(k, "Null", {
    deviceType: FILE_DEVICE_NULL,
    dispatch: {
      read: (_k, irp) => {
        irp.output = new Uint8Array(0);
        return STATUS_END_OF_FILE;
      },
      write: (_k, irp) => {
        irp.information = irp.parameters.input.length;
        return STATUS_SUCCESS;
      },
      flush: () => STATUS_SUCCESS,
    },
  });
}

/** Devices whose names are known and which nobody can open: what they would do is not there. */
export function createAbsentDevices(k: Kernel): void {
  const refuse = (status: NtStatus): DeviceDispatch => ({ create: () => status });
  const refuseAs = (name: string, status: NtStatus): void => {
    IoCreateDevice(k, name, { deviceType: FILE_DEVICE_UNKNOWN, dispatch: refuse(status) });
  };
  refuseAs("NamedPipe", STATUS_NOT_IMPLEMENTED);
  refuseAs("Mailslot", STATUS_NOT_IMPLEMENTED);
  refuseAs("Mup", STATUS_BAD_NETWORK_PATH);
}
