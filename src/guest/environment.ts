/**
 * User-mode environments: which ntdll is mapped into every process, and what else it needs. Immutable, and made once for
 * any number of machines.
 */
import type { NtService } from "../nt/table.ts";
import { buildNtdll } from "./builtin/ntdll.ts";
import { type Library, loadLibrary } from "./library.ts";
import type { PeImage } from "./pe.ts";
import { findExport } from "./peexports.ts";
import { refuse, type Refusal } from "./peheaders.ts";
import { scanSystemCalls } from "./syscall-scan.ts";
import type { UserEntryPoints } from "./x86/user.ts";

export interface Environment {
  readonly kind: "builtin" | "win32";
  readonly ntdll: Library;
  /** Names of the system calls, by number. */
  readonly serviceNames: readonly (string | undefined)[];
  /** Bytes from ESP at a system call's trap to its first argument. */
  readonly argumentOffset: number;
  /** Where the kernel enters user mode. */
  readonly entry: UserEntryPoints;
  /** The absolute address of one of ntdll's exports. */
  readonly addressOf: (name: string) => number | undefined;
  /** The contents of `C:\windows\system32`, by lower-case name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** National language support files, by lower-case name. */
  readonly nls: ReadonlyMap<string, Uint8Array>;
  /** The API set map that processes get, or null. */
  readonly apiSet: Uint8Array | null;
}

export type EnvironmentResult = { readonly ok: true; readonly value: Environment } | Refusal;

const NO_FILES: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * The environment with the built-in ntdll, which exports every service of `services`. Making that library is most of the
 * work, so whoever starts often keeps {@link builtinNtdll} and hands it in.
 */
export function createBuiltinEnvironment(services: readonly NtService[]): EnvironmentResult {
  return createNativeEnvironment(builtinNtdll(services));
}

/**
 * The file of the built-in ntdll.
 * @public because tools/build.mjs makes it part of what is installed
 */
export function builtinNtdll(services: readonly NtService[]): Uint8Array {
  // Some services are private to one ntdll: Wine's own begin otherwise.
  const common = services.filter(({ name }) => name.startsWith("Nt"));
  return buildNtdll(common.map(({ name, arguments: words }) => ({ name, argumentBytes: 4 * words })));
}

/** The environment with what {@link builtinNtdll} made, for the same services. */
export function createNativeEnvironment(ntdll: Uint8Array): EnvironmentResult {
  return createEnvironment("builtin", ntdll, { files: NO_FILES, nls: NO_FILES });
}

/** The environment of real Win32 programs: `files` holds ntdll.dll, kernel32.dll and the others. */
export function createWin32Environment(
  files: ReadonlyMap<string, Uint8Array>,
  nls: ReadonlyMap<string, Uint8Array>,
): EnvironmentResult {
  const ntdll = files.get("ntdll.dll");
  if (ntdll === undefined) return refuse("the Windows DLLs do not include ntdll.dll");
  return createEnvironment("win32", ntdll, { files, nls });
}

function createEnvironment(
  kind: Environment["kind"],
  bytes: Uint8Array,
  content: Pick<Environment, "files" | "nls">,
): EnvironmentResult {
  const library = loadLibrary("ntdll.dll", bytes);
  if (!library.ok) return library;
  const { pe } = library.value;
  const scan = scanSystemCalls(pe);
  if (!scan.ok) return refuse("ntdll.dll has no usable export table");
  const addressOf = (name: string): number | undefined => exportAddress(pe, name);
  const entry = entryPoints(addressOf);
  if (entry === null) return refuse("ntdll.dll lacks the kernel's entry points into user mode");
  const serviceNames: (string | undefined)[] = [];
  for (const service of scan.value.services) serviceNames[service.number] = service.name;
  const { argumentOffset } = scan.value;
  const apiSet = apiSetOf(content.files);
  const value = { kind, ntdll: library.value, serviceNames, argumentOffset, entry, addressOf, apiSet, ...content };
  return { ok: true, value };
}

function exportAddress(pe: PeImage, name: string): number | undefined {
  const symbol = findExport(pe, name);
  return symbol === null ? undefined : (pe.base + symbol.rva) >>> 0;
}

function entryPoints(addressOf: Environment["addressOf"]): UserEntryPoints | null {
  const LdrInitializeThunk = addressOf("LdrInitializeThunk");
  const RtlUserThreadStart = addressOf("RtlUserThreadStart");
  const KiUserApcDispatcher = addressOf("KiUserApcDispatcher");
  const KiUserExceptionDispatcher = addressOf("KiUserExceptionDispatcher");
  if (LdrInitializeThunk === undefined || RtlUserThreadStart === undefined) return null;
  if (KiUserApcDispatcher === undefined || KiUserExceptionDispatcher === undefined) return null;
  return { LdrInitializeThunk, RtlUserThreadStart, KiUserApcDispatcher, KiUserExceptionDispatcher };
}

/** The `.apiset` section of apisetschema.dll. */
function apiSetOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array | null {
  const bytes = files.get("apisetschema.dll");
  if (bytes === undefined) return null;
  const library = loadLibrary("apisetschema.dll", bytes);
  if (!library.ok) return null;
  const section = library.value.pe.sections.find(({ name }) => name.startsWith(".apiset"));
  return section === undefined ? null : bytes.subarray(section.rawOffset, section.rawOffset + section.rawSize);
}
