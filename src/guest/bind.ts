/**
 * Linking a native program against the built-in ntdll: its import addresses, its relocations if it could not be mapped
 * where it wanted to be, and its TLS callbacks. There is one library and nothing is loaded later, so this needs no loader
 * in user mode.
 */
import { PAGE_READWRITE } from "../abi/mm.ts";
import {
  type NtStatus,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_DLL_NOT_FOUND,
  STATUS_ENTRYPOINT_NOT_FOUND,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { MmProtectVirtualMemory } from "../mm/protect.ts";
import { UserMemory } from "../mm/usermemory.ts";
import type { EProcess } from "../ps/objects.ts";
import type { Environment } from "./environment.ts";
import type { Library } from "./library.ts";
import { readTlsDirectory } from "./pedirectories.ts";
import { readImports } from "./peimports.ts";

/** @returns DLL_NOT_FOUND, ENTRYPOINT_NOT_FOUND, or CONFLICTING_ADDRESSES for an image away from its base */
export function bindImports(
  k: Kernel,
  process: EProcess,
  environment: Environment,
  library: Library,
  base: number,
): NtStatus {
  if (base !== library.pe.base) return STATUS_CONFLICTING_ADDRESSES;
  const imports = readImports(library.pe);
  if (!imports.ok) return imports.status;
  const user = new UserMemory(k, process);
  for (const { dll, symbols } of imports.value) {
    if (dll.toLowerCase() !== "ntdll.dll") return STATUS_DLL_NOT_FOUND;
    for (const symbol of symbols) {
      const address = "name" in symbol ? environment.addressOf(symbol.name) : undefined;
      if (address === undefined) return STATUS_ENTRYPOINT_NOT_FOUND;
      const status = writeWord(k, process, user, base + symbol.iatRva, address);
      if (status !== STATUS_SUCCESS) return status;
    }
  }
  return bindTlsCallbacks(k, process, environment, library);
}

/** Tells ntdll where the program's TLS callbacks are listed. */
function bindTlsCallbacks(k: Kernel, process: EProcess, environment: Environment, library: Library): NtStatus {
  const tls = readTlsDirectory(library.pe);
  if (!tls.ok) return tls.status;
  const variable = environment.addressOf("RundownTlsCallbacks");
  if (tls.value === null || variable === undefined || tls.value.callbacks.length === 0) return STATUS_SUCCESS;
  const user = new UserMemory(k, process);
  user.writeU32(variable, tls.value.addressOfCallbacks);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

/** Import addresses may lie in a read-only section: then its page is opened for the one write. */
function writeWord(k: Kernel, process: EProcess, user: UserMemory, address: number, value: number): NtStatus {
  user.begin().writeU32(address, value);
  if (!user.faulted) return STATUS_SUCCESS;
  const opened = MmProtectVirtualMemory(k, process, { base: address, size: 4, protection: PAGE_READWRITE });
  if (!opened.ok) return opened.status;
  user.begin().writeU32(address, value);
  const { base, size, oldProtection } = opened.value;
  MmProtectVirtualMemory(k, process, { base, size, protection: oldProtection });
  return user.faulted ? user.status : STATUS_SUCCESS;
}
