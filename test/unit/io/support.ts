/** A machine with security, files and a registry, and threads that do I/O. */
import { KeInitThread, KeReadyThread, KeStartThread, KeTerminateThread } from "../../../src/ke/thread.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { THREAD_ALL_ACCESS } from "../../../src/abi/ps.ts";
import { type NtResult, NT_SUCCESS } from "../../../src/abi/status.ts";
import { createCmState, type CmLimits } from "../../../src/cm/state.ts";
import { CmInitSystem } from "../../../src/cm/init.ts";
import { createIoState, type IoOptions } from "../../../src/io/state.ts";
import { IoCreateVolume, IoInitSystem } from "../../../src/io/init.ts";
import { IoThread } from "../../../src/io/thread.ts";
import { type CreatedFile, NtCreateFile } from "../../../src/io/createfile.ts";
import { NtReadFile, NtWriteFile } from "../../../src/io/readwrite.ts";
import type { Volume } from "../../../src/io/volume.ts";
import { createSeState } from "../../../src/se/state.ts";
import { SeInitSystem } from "../../../src/se/init.ts";
import { SeCreateUserToken, type Token } from "../../../src/se/token.ts";
import { ObCreateObject } from "../../../src/ob/create.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newObjectId } from "../../../src/sim/identity.ts";
import {
  run,
  testKernel,
  type TestKernel,
  type TestKernelOptions,
  type TestProcess,
  valueOf,
} from "../../support/kernel.ts";

class IoTestThread extends IoThread {
  finished = false;
}

export interface IoTestKernel extends TestKernel {
  readonly volume: Volume;
  readonly token: Token;
}

export interface IoKernelOptions extends TestKernelOptions {
  readonly io?: IoOptions;
  readonly cm?: Partial<CmLimits>;
}

export function ioKernel(options: IoKernelOptions = {}): IoTestKernel {
  const k = testKernel(options);
  Object.assign(k, { se: createSeState(), io: createIoState(options.io), cm: createCmState(options.cm) });
  SeInitSystem(k);
  IoInitSystem(k);
  CmInitSystem(k);
  const token = valueOf(SeCreateUserToken(k));
  k.se.upcalls.peekPrimaryToken = () => token;
  k.se.upcalls.processToken = () => token;
  k.se.upcalls.processType = () => k.test.processType;
  k.se.upcalls.threadType = () => k.test.threadType;
  const volume = IoCreateVolume(k, { letter: "C", label: "System" });
  return Object.assign(k, { volume, token });
}

/** Makes a thread that runs `routine` with previous mode user, unless told otherwise. */
export function spawnIo(
  k: TestKernel,
  routine: (k: Kernel) => Blocking<void>,
  options: { readonly mode?: 0 | 1; readonly process?: TestProcess } = {},
): IoTestThread {
  const ids = { semaphore: newObjectId(k), timeout: newObjectId(k) };
  const thread = new IoTestThread(newObjectId(k), options.process ?? k.test.process, ids);
  thread.tid = thread.id;
  thread.grantedAccess = THREAD_ALL_ACCESS;
  thread.previousMode = options.mode ?? 1;
  if (!NT_SUCCESS(ObCreateObject(k, k.test.threadType, thread))) throw new Error("no pool for a thread");
  KeInitThread(k, thread, function* start(kernel): Blocking<never> {
    yield* routine(kernel);
    thread.finished = true;
    return yield* KeTerminateThread(kernel, 0);
  });
  KeStartThread(k, thread);
  KeReadyThread(k, thread);
  return thread;
}

/** Runs `routine` in a user thread and returns its answer; fails if it never gives one. */
export function inThread<T>(
  k: TestKernel,
  routine: (k: Kernel) => Blocking<T>,
  options: { readonly mode?: 0 | 1 } = {},
): T {
  const answers: T[] = [];
  spawnIo(
    k,
    function* (kernel) {
      answers.push(yield* routine(kernel));
    },
    options,
  );
  const { end } = run(k);
  if (answers.length === 0) throw new Error(`the routine never returned; the run ended with ${end}`);
  return answers[0] as T;
}

export const READ = 0x120089;
export const WRITE = 0x120116;
export const ALL = 0x1f01ff;
const SHARE_ALL = 7;
/** FILE_SYNCHRONOUS_IO_NONALERT. */
export const SYNC = 0x20;

export interface Opening {
  readonly access?: number;
  readonly share?: number;
  readonly disposition?: number;
  readonly options?: number;
  readonly root?: number;
  readonly attributes?: number;
}

/** NtCreateFile with everything defaulted: open or create, all rights, sharing everything, synchronous. */
export function create(k: Kernel, name: string, how: Opening = {}): Blocking<NtResult<CreatedFile>> {
  return NtCreateFile(k, {
    desiredAccess: how.access ?? ALL,
    attributes: { rootDirectory: how.root ?? 0, name, attributes: 0 },
    fileAttributes: how.attributes ?? 0,
    shareAccess: how.share ?? SHARE_ALL,
    disposition: how.disposition ?? 3,
    options: how.options ?? SYNC,
  });
}

/** The handle of a file that must open. */
export function* opened(k: Kernel, name: string, how: Opening = {}): Blocking<number> {
  return valueOf(yield* create(k, name, how)).handle;
}

/** The status with which a file refuses to open, or 0. */
export function* refusal(k: Kernel, name: string, how: Opening = {}): Blocking<number> {
  const result = yield* create(k, name, how);
  return result.ok ? 0 : result.status;
}

export function text(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array(0));
}

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

export function* writeText(
  k: Kernel,
  handle: number,
  content: string,
  byteOffset: bigint | null = null,
): Blocking<number> {
  return (yield* NtWriteFile(k, handle, { bytes: bytes(content), byteOffset })).status;
}

export function* readText(
  k: Kernel,
  handle: number,
  length: number,
  byteOffset: bigint | null = null,
): Blocking<string> {
  return text((yield* NtReadFile(k, handle, { length, byteOffset })).output);
}
