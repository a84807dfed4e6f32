/** System services that ask about the machine: information classes, time, locale. */
import { PAGE_SIZE } from "../../abi/mm.ts";
import {
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import { KeMaximumIncrement, KeQueryInterruptTime, KeQuerySystemTime } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import { answerQuery, capture, Encoder, type QueryResult } from "../capture.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";
import { encodeProcessList } from "./processlist.ts";

interface SystemQuery {
  readonly answer: (k: Kernel) => QueryResult;
}

/** Wine's ntdll asks which Wine it is: version, build, host system and its release. */
const WINE_VERSION = 1000;
const LOCALE_ENGLISH_US = 0x409;
const LOWEST_USER_ADDRESS = 0x10000;
const HIGHEST_USER_ADDRESS = 0x7ffeffff;
const PERFORMANCE_FREQUENCY = 10_000_000n;

/** `SYSTEM_INFORMATION_CLASS`, as far as it is answered. */
const QUERIES: ReadonlyMap<number, SystemQuery> = new Map<number, SystemQuery>([
  [0, { answer: basic }],
  [1, { answer: (k) => success(new Encoder(12).u16(4, 0).u32(8, k.ke.prcbs.length).bytes) }],
  [2, { answer: performance }],
  [3, { answer: timeOfDay }],
  [5, { answer: encodeProcessList }],
  [8, { answer: (k) => success(new Uint8Array(48 * k.ke.prcbs.length)) }],
  [44, { answer: () => success(new Uint8Array(172)) }],
  [102, { answer: () => success(new Uint8Array(432)) }],
  [35, { answer: () => success(new Uint8Array(2)) }],
  [WINE_VERSION, { answer: () => success(ascii("8.0\x00rundown\x00Rundown\x001.0\x00")) }],
]);

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function basic(k: Kernel): QueryResult {
  const pages = (k.mm.ram?.byteLength ?? 0) / PAGE_SIZE;
  const out = new Encoder(44).u32(4, KeMaximumIncrement).u32(8, PAGE_SIZE).u32(12, pages).u32(16, 1).u32(20, pages);
  out.u32(24, 0x10000).u32(28, LOWEST_USER_ADDRESS).u32(32, HIGHEST_USER_ADDRESS);
  const processors = k.ke.prcbs.length;
  return success(out.u32(36, processors >= 32 ? 0xffffffff : (1 << processors) - 1).u8(40, processors).bytes);
}

function performance(k: Kernel): QueryResult {
  const out = new Encoder(312);
  out
    .u32(32, k.mm.commitLimit - k.mm.committedPages)
    .u32(36, k.mm.committedPages)
    .u32(40, k.mm.commitLimit);
  return success(out.bytes);
}

function timeOfDay(k: Kernel): QueryResult {
  const now = KeQuerySystemTime(k);
  return success(new Encoder(48).u64(0, now - BigInt(KeQueryInterruptTime(k))).u64(8, now).bytes);
}

function NtQuerySystemInformation(k: Kernel, a: ServiceArguments): NtStatus {
  const [informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  const query = QUERIES.get(informationClass);
  if (query === undefined) {
    notImplemented(k, `NtQuerySystemInformation class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  return answerQuery(k, { address, length, returnLength }, query.answer(k), STATUS_INFO_LENGTH_MISMATCH);
}

function NtQuerySystemTime(k: Kernel, [pointer = 0]: ServiceArguments): NtStatus {
  const user = capture(k);
  user.writeU64(pointer, KeQuerySystemTime(k));
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function NtQueryPerformanceCounter(k: Kernel, [counter = 0, frequency = 0]: ServiceArguments): NtStatus {
  const user = capture(k);
  user.writeU64(counter, BigInt(KeQueryInterruptTime(k)));
  if (frequency !== 0) user.writeU64(frequency, PERFORMANCE_FREQUENCY);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function answerLocale(k: Kernel, pointer: number): NtStatus {
  const user = capture(k);
  user.writeU32(pointer, LOCALE_ENGLISH_US);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function answerLanguage(k: Kernel, pointer: number): NtStatus {
  const user = capture(k);
  user.writeU16(pointer, LOCALE_ENGLISH_US);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function NtGetTickCount(k: Kernel): NtStatus {
  return Math.floor(KeQueryInterruptTime(k) / 10_000) as NtStatus;
}

export const systemServices: readonly NtService[] = [
  { name: "NtQuerySystemInformation", arguments: 4, handler: NtQuerySystemInformation },
  { name: "NtQuerySystemTime", arguments: 1, handler: NtQuerySystemTime },
  { name: "NtQueryPerformanceCounter", arguments: 2, handler: NtQueryPerformanceCounter },
  { name: "NtGetTickCount", arguments: 0, handler: NtGetTickCount },
  { name: "NtQueryDefaultLocale", arguments: 2, handler: (k, [, pointer = 0]) => answerLocale(k, pointer) },
  { name: "NtQueryDefaultUILanguage", arguments: 1, handler: (k, [pointer = 0]) => answerLanguage(k, pointer) },
  { name: "NtQueryInstallUILanguage", arguments: 1, handler: (k, [pointer = 0]) => answerLanguage(k, pointer) },
];
