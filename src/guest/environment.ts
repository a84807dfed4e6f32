/**
 * User-mode environments: which ntdll is mapped into every process, and what else it needs. Immutable, and made once for
 * any number of machines.
 */
import type { NtService } from "../nt/table.ts";
import { buildNtdll } from "./builtin/ntdll.ts";
import { type Library, loadLibrary } from "./library.ts";
import { type ExportedSymbol, readExports } from "./peexports.ts";
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
  /** Absolute addresses of ntdll's exports. */
  readonly addresses: ReadonlyMap<string, number>;
  /** The contents of `C:\windows\system32`, by lower-case name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** National language support files, by lower-case name. */
  readonly nls: ReadonlyMap<string, Uint8Array>;
  /** The API set map that processes get, or null. */
  readonly apiSet: Uint8Array | null;
}

export type EnvironmentResult = { readonly ok: true; readonly value: Environment } | Refusal;

const NO_FILES: ReadonlyMap<string, Uint8Array> = new Map();

/** The environment with the built-in ntdll, which exports every service of `services`. */
export function createBuiltinEnvironment(services: readonly NtService[]): EnvironmentResult {
  // Some services are private to one ntdll: Wine's own begin otherwise.
  const common = services.filter(({ name }) => name.startsWith("Nt"));
  const bytes = buildNtdll(common.map(({ name, arguments: words }) => ({ name, argumentBytes: 4 * words })));
  return createEnvironment("builtin", bytes, { files: NO_FILES, nls: NO_FILES });
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
  const symbols = readExports(pe);
  const scan = scanSystemCalls(pe);
  if (!symbols.ok || !scan.ok) return refuse("ntdll.dll has no usable export table");
  const addresses = new Map<string, number>();
  for (const [name, symbol] of symbols.value) addresses.set(name, addressOf(pe.base, symbol));
  const entry = entryPoints(addresses);
  if (entry === null) return refuse("ntdll.dll lacks the kernel's entry points into user mode");
  const serviceNames: (string | undefined)[] = [];
  for (const service of scan.value.services) serviceNames[service.number] = service.name;
  const { argumentOffset } = scan.value;
  const apiSet = apiSetOf(content.files);
  const value = { kind, ntdll: library.value, serviceNames, argumentOffset, entry, addresses, apiSet, ...content };
  return { ok: true, value };
}

function addressOf(base: number, symbol: ExportedSymbol): number {
  return (base + symbol.rva) >>> 0;
}

function entryPoints(addresses: ReadonlyMap<string, number>): UserEntryPoints | null {
  const LdrInitializeThunk = addresses.get("LdrInitializeThunk");
  const RtlUserThreadStart = addresses.get("RtlUserThreadStart");
  const KiUserApcDispatcher = addresses.get("KiUserApcDispatcher");
  const KiUserExceptionDispatcher = addresses.get("KiUserExceptionDispatcher");
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
